# guest.sh: what the vm tests want besides packages of Debian 12, optional: a QEMU of bookworm-backports,
# which has more NICs than bookworm's, and two Debian kernels, unpacked nowhere but in build/vm. Sourced by
# setup. Where something is not to be had, one loud line says so, and the vm tests skip.
#
# The machine's apt is left as it is: the sources and lists used here are private ones, made of the
# mirrors that the machine already uses.

GUEST_PACKAGES='
qemu-system-x86          | vm tests, optional: guests with an IOMMU; of bookworm-backports if it can be had
linux-image-6.12-amd64   | vm tests, optional: kernel of the guests; kept in build/vm, not installed
linux-image-amd64        | vm tests, optional: a newer kernel, of trixie-backports, for AF_XDP without copies; likewise
'
GUEST_FOLDER=$QSPLIT_ROOT/build/vm

guest_has_kernel() { compgen -G "$GUEST_FOLDER/linux-image-*.deb" >/dev/null; }
guest_has_newer_kernel() { compgen -G "$GUEST_FOLDER/newer/linux-*.deb" >/dev/null; }
guest_has_qemu() { command -v qemu-system-x86_64 >/dev/null; }
# Version 8 was the first with all NICs of the tests.
guest_has_new_qemu() {
  local version
  guest_has_qemu && version=$(qemu-system-x86_64 --version | sed -nE '1s/.*version ([0-9]+)\..*/\1/p') &&
    [ "${version:-0}" -ge 8 ]
}
guest_complete() { guest_has_kernel && guest_has_newer_kernel && guest_has_new_qemu; }
guest_lacks() { warn "$*; the vm tests that need it will skip"; }

# guest_check: say what is missing, change nothing.
guest_check() {
  guest_has_kernel || guest_lacks "optional: no kernel package in build/vm; scripts/setup gets it where it can"
  guest_has_newer_kernel ||
    guest_lacks "optional: no newer kernel in build/vm/newer; scripts/setup gets it where trixie-backports can be had"
  guest_has_new_qemu || guest_lacks "optional: no QEMU 8 or newer; scripts/setup gets it where it can"
}

# guest_apt COMMAND...: apt-get with the private sources and lists in $guest_work.
guest_apt() {
  env DEBIAN_FRONTEND=noninteractive "${guest_root[@]}" apt-get -qq -o Dpkg::Use-Pty=0 \
    -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::sourcelist="$guest_work/sources.list" \
    -o Dir::State::lists="$guest_work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
    -o APT::Sandbox::User=root "$@"
}

# guest_sources [SUITE [alone]]: bookworm and its updates from where this machine has them, and that suite
# of the mirror that has bookworm; or that suite alone.
guest_sources() {
  local suites keyring=/usr/share/keyrings/debian-archive-keyring.gpg options=''
  [ ! -r "$keyring" ] || options="[signed-by=$keyring] "
  suites=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 ~ /^bookworm(-updates|-security)?$/ && $3 == "main" {print $1, $2}' | sort -u)
  grep -q ' bookworm$' <<<"$suites" || return 1
  if [ -n "${1:-}" ]; then
    suites=$(awk -v suite="$1" -v alone="${2:-}" '!alone {print} $2 == "bookworm" {print $1, suite}' <<<"$suites")
  fi
  awk -v o="$options" '{print "deb " o $0 " main"}' <<<"$suites" >"$guest_work/sources.list"
  guest_apt update
}

# guest_download FOLDER PACKAGE...: moved there when whole: a download that broke off is none.
guest_download() {
  local folder=$1
  shift
  mkdir -p "$guest_work/packages" "$folder"
  (cd "$guest_work/packages" && guest_apt download "$@") && mv "$guest_work/packages/"*.deb "$folder/"
}

guest_get_kernel() {
  local package
  package=$(guest_apt_cache depends linux-image-6.12-amd64 | awk '/Depends: linux-image-/ {print $2; exit}')
  [ -n "$package" ] && guest_download "$GUEST_FOLDER" "$package"
}

# Whatever version that suite has by now. Its kernels are in several packages since Linux 7.0, all of them
# named for the version.
guest_get_newer_kernel() {
  local image packages
  guest_sources trixie-backports alone || return 1
  rm -rf "$GUEST_FOLDER/newer.part"
  image=$(guest_apt_cache depends linux-image-amd64 | awk '/Depends: linux-image-/ {print $2; exit}')
  [ -n "$image" ] || return 1
  packages=$(guest_apt_cache depends --recurse --important "$image" |
    awk -v version="-${image#linux-image-}" '/^linux-/ && index($1 "$", version "$")' | sort -u)
  # shellcheck disable=SC2086 # several words
  guest_download "$GUEST_FOLDER/newer.part" $packages && mv "$GUEST_FOLDER/newer.part" "$GUEST_FOLDER/newer"
}
guest_apt_cache() {
  apt-cache -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::sourcelist="$guest_work/sources.list" \
    -o Dir::State::lists="$guest_work/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
}

guest_install_qemu() {
  local guest_root=()
  can_root "to install QEMU" || return 1
  is_root || guest_root=(sudo -E)
  guest_apt install --no-install-recommends -y "$@" qemu-system-x86
}

# guest_setup: get what is missing. Never fails.
guest_setup() {
  local guest_work guest_root=() backports=yes
  guest_complete && return 0
  if [ "$(dpkg --print-architecture)" != amd64 ]; then
    guest_lacks "the guests of the vm tests are for amd64"
    return 0
  fi
  guest_work=$(mktemp -d)
  mkdir -p "$guest_work/lists/partial"
  say "setup: optional, for the vm tests: getting QEMU and kernels"
  if { ! guest_has_kernel || ! guest_has_new_qemu; } && ! guest_sources bookworm-backports; then
    backports=''
    guest_sources || guest_lacks "no list of Debian 12's packages can be had here"
  fi
  guest_has_kernel || guest_get_kernel || guest_lacks "no linux-image-6.12-amd64 can be had here"
  if ! guest_has_new_qemu; then
    { [ -n "$backports" ] && guest_install_qemu -t bookworm-backports; } || guest_has_qemu || guest_install_qemu ||
      guest_lacks "no qemu-system-x86 can be had here"
    ! guest_has_qemu || guest_has_new_qemu ||
      guest_lacks "QEMU is bookworm's, which has not all NICs: bookworm-backports cannot be had here"
  fi
  guest_has_newer_kernel || guest_get_newer_kernel ||
    guest_lacks "no linux-image-amd64 of trixie-backports can be had here"
  rm -rf "$guest_work"
}
