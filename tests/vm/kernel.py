"""The guest's kernel: Debian's packages as scripts/setup left them in build/vm, made ready to boot once.

    build/vm/linux-image-*.deb            the package, not installed
    build/vm/newer/linux-*.deb            those of a newer kernel, for tests of what the first one has not
    build/vm/boot-HASH/vmlinux            uncompressed: QEMU boots it by PVH, 1.4 s sooner than the image
    build/vm/boot-HASH/initramfs.cpio     busybox, init.sh, the modules below
    build/vm/newer-HASH/...               likewise

HASH is of everything that goes in, so that a new package, init.sh or list makes it again; two harnesses
at once do no harm. Made in 10 s. Nothing here needs root.
"""
import glob
import gzip
import hashlib
import lzma
import os
import shutil
import subprocess
import tempfile
import time

from where import BUILD, SOURCE, Missing

BUSYBOX = "/bin/busybox"
INIT = os.path.join(SOURCE, "tests/vm/init.sh")
# In the order in which init.sh loads them; what they need comes along.
MODULES = """virtio_pci 9pnet_virtio 9p irqbypass vfio vfio_iommu_type1 vfio-pci tun veth bridge 8021q
af_packet virtio_net e1000e igb igbvf vmxnet3""".split()


def prepared(newer=False):
    """(vmlinux, initramfs), made if need be. Raises Missing, saying what to install."""
    packages = find_packages(newer)
    for tool in (BUSYBOX, "cpio", "zstd", "depmod", "dpkg-deb"):
        if not shutil.which(tool):
            raise Missing(f"{tool} is not installed; scripts/setup does it")
    kind = "newer" if newer else "boot"
    folder = os.path.join(BUILD, "vm", f"{kind}-{stamp(packages)}")
    if not os.path.isdir(folder):
        remove_old(kind)
        work = tempfile.mkdtemp(prefix="making-", dir=os.path.join(BUILD, "vm"))
        try:
            make(packages, work)
            os.chmod(work, 0o755)
            try:
                os.rename(work, folder)
            except OSError:
                if not os.path.isdir(folder):  # else another one was faster
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return os.path.join(folder, "vmlinux"), os.path.join(folder, "initramfs.cpio")


def remove_old(kind):
    """What was made more than a day ago, of a package or a list that has changed since."""
    for folder in glob.glob(os.path.join(BUILD, "vm", f"{kind}-*")):
        if os.path.getmtime(folder) < time.time() - 86400:
            shutil.rmtree(folder, ignore_errors=True)


def find_packages(newer):
    """What the kernel is in: one package, or of the newer kernel several, all that are there."""
    if newer:
        packages = sorted(glob.glob(os.path.join(BUILD, "vm/newer/linux-*.deb")))
        if not packages:
            raise Missing("no packages of a newer kernel in build/vm/newer; scripts/setup gets them where the "
                          "mirror that this machine uses has trixie-backports")
        return packages
    packages = glob.glob(os.path.join(BUILD, "vm", "linux-image-*.deb"))
    if not packages:
        raise Missing("no kernel package in build/vm; scripts/setup gets it where it can")
    return [max(packages, key=os.path.getmtime)]


def stamp(packages):
    hashed = hashlib.sha256()
    for path in (__file__, INIT):
        with open(path, "rb") as file:
            hashed.update(file.read())
    for path in (*packages, BUSYBOX):
        status = os.stat(path)
        hashed.update(f"{os.path.basename(path)} {status.st_size}".encode())
    return hashed.hexdigest()[:12]


def make(packages, work):
    tree = os.path.join(work, "package")
    for package in packages:
        subprocess.run(["dpkg-deb", "-x", package, tree], check=True)
    if not os.path.isdir(tree + "/lib"):  # depmod looks for modules there
        os.symlink("usr/lib", tree + "/lib")
    version = os.listdir(tree + "/lib/modules")[0]
    with open((glob.glob(tree + "/boot/vmlinuz-*") or glob.glob(tree + "/lib/modules/*/vmlinuz"))[0], "rb") as file:
        kernel = unpacked(file.read())
    with open(os.path.join(work, "vmlinux"), "wb") as file:
        file.write(kernel)
    root = os.path.join(work, "root")
    fill_root(root, module_files(tree, version))
    names = subprocess.run(["find", ".", "-print0"], cwd=root, check=True, capture_output=True).stdout
    with open(os.path.join(work, "initramfs.cpio"), "wb") as file:
        subprocess.run(["cpio", "--quiet", "-0", "-o", "-H", "newc", "-R", "0:0"], cwd=root, input=names,
                       stdout=file, check=True)
    shutil.rmtree(tree)
    shutil.rmtree(root)


def unpacked(image):
    """The ELF kernel out of a bzImage: a gzip, xz or zstd stream that runs to some padding."""
    for magic, unpack in ((b"\x28\xb5\x2f\xfd", unpack_zstd), (b"\xfd7zXZ\0", unpack_xz),
                          (b"\x1f\x8b\x08", unpack_gzip)):
        at = image.find(magic)
        while at >= 0:
            kernel = unpack(image[at:])
            if kernel.startswith(b"\x7fELF"):
                return kernel
            at = image.find(magic, at + 1)
    raise Missing("the package's kernel is packed in a way that tests/vm/kernel.py does not know")


def unpack_zstd(data):
    # It complains of what follows the stream, having written all of it.
    return subprocess.run(["zstd", "-d", "-c", "-q"], input=data, capture_output=True).stdout


def unpack_xz(data):
    try:
        return lzma.LZMADecompressor().decompress(data)
    except lzma.LZMAError:
        return b""


def unpack_gzip(data):
    try:
        return gzip.zlib.decompressobj(31).decompress(data)
    except gzip.zlib.error:
        return b""


def module_files(tree, version):
    """Paths of the modules' files, each after those that it needs; what is built in has none."""
    subprocess.run(["depmod", "-b", tree, version], check=True)
    files = []
    for module in MODULES:
        shown = subprocess.run(["modprobe", "-d", tree, "-S", version, "--show-depends", module],
                               capture_output=True, text=True)
        if shown.returncode:
            raise Missing(f"the kernel package has no module {module}: {shown.stderr.strip()}")
        for line in shown.stdout.splitlines():
            words = line.split()
            if words[0] == "insmod" and words[1] not in files:
                files.append(words[1])
    return files


def fill_root(root, modules):
    for folder in ("bin", "dev", "proc", "sys", "modules", "out", "root", "lower"):
        os.makedirs(os.path.join(root, folder))
    shutil.copy(BUSYBOX, root + "/bin/busybox")
    shutil.copy(INIT, root + "/init")
    os.chmod(root + "/init", 0o755)
    with open(root + "/modules/order", "w") as order:
        for path in modules:
            name = os.path.basename(path).split(".ko")[0] + ".ko"
            opener = {".xz": lzma.open, ".gz": gzip.open}.get(os.path.splitext(path)[1], open)
            with opener(path, "rb") as packed, open(f"{root}/modules/{name}", "wb") as plain:
                shutil.copyfileobj(packed, plain)
            order.write(name + "\n")
