#include "tests/support/fake_sysfs.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

namespace qsplit::testing {
namespace fs = std::filesystem;

namespace {

std::string ReadLine(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string LinkName(const std::string& link) {
  std::error_code error;
  const fs::path to = fs::read_symlink(link, error);
  return error ? "" : to.filename().string();
}

}  // namespace

FakeSysfs::FakeSysfs() {
  std::string folder = (fs::temp_directory_path() / "sysfs-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) abort();
  root_ = folder;
  for (const char* path : {"bus/pci/devices", "bus/pci/drivers", "class/net", "devices/pci0000:00",
                           "kernel/iommu_groups"}) {
    fs::create_directories(root_ + "/" + path);
  }
  AddPipe("bus/pci/drivers_probe", "probe", true);
  kernel_ = std::thread([this] { PlayKernel(); });
}

FakeSysfs::~FakeSysfs() {
  stop_ = true;
  kernel_.join();
  LetGo();
  if (!freed_.empty()) absl::SleepFor(absl::Milliseconds(20));
  fs::remove_all(root_);
}

void FakeSysfs::LetGo() {
  const std::lock_guard lock(mutex_);
  for (const std::string& path : stuck_pipes_) {
    freed_.emplace_back(::open(path.c_str(), O_RDWR | O_CLOEXEC));  // with a reader, open returns
  }
  stuck_pipes_.clear();
}

void FakeSysfs::AddPipe(const std::string& path, const std::string& what, bool read) {
  const std::string whole = root_ + "/" + path;
  if (::mkfifo(whole.c_str(), 0600) != 0) abort();
  const std::lock_guard lock(mutex_);
  if (!read) {
    stuck_pipes_.push_back(whole);
    return;
  }
  pipes_.push_back(
      {linux_sys::OwnedFd(::open(whole.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC)), what});
}

void FakeSysfs::WriteFile(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(root_ + "/" + path).parent_path());
  std::ofstream(root_ + "/" + path) << text << "\n";
}

std::string FakeSysfs::Folder(const std::string& address) const {
  return "devices/pci0000:00/" + address;
}

void FakeSysfs::AddDriver(const std::string& name, Driver how) {
  const std::string folder = "bus/pci/drivers/" + name;
  {
    const std::lock_guard lock(mutex_);
    drivers_[name] = how;
  }
  if (!fs::create_directories(root_ + "/" + folder)) return;
  AddPipe(folder + "/unbind", "unbind " + name, how != Driver::kStuck);
  AddPipe(folder + "/bind", "bind " + name, true);
}

void FakeSysfs::AddFunction(const std::string& address, const FakePciFunction& function) {
  const std::string folder = Folder(address);
  WriteFile(folder + "/vendor", "0x8086");
  WriteFile(folder + "/device", "0x10c9");
  WriteFile(folder + "/class", absl::StrFormat("0x%06x", function.class_code));
  WriteFile(folder + "/driver_override", function.driver_override);
  WriteFile(folder + "/numa_node", function.numa_node);
  fs::create_directory_symlink(root_ + "/" + folder, root_ + "/bus/pci/devices/" + address);
  if (function.total_vfs != 0) {
    WriteFile(folder + "/sriov_totalvfs", absl::StrCat(function.total_vfs));
    WriteFile(folder + "/sriov_drivers_autoprobe", "1");
    AddPipe(folder + "/sriov_numvfs", "vfs " + address, true);
  }
  if (function.group >= 0) {
    const std::string group = absl::StrCat(root_, "/kernel/iommu_groups/", function.group);
    fs::create_directories(group + "/devices");
    fs::create_directory_symlink(root_ + "/" + folder, group + "/devices/" + address);
    fs::create_directory_symlink(group, root_ + "/" + folder + "/iommu_group");
  }
  if (!function.driver.empty()) SetDriver(address, function.driver);
}

void FakeSysfs::AddNetdev(const std::string& name, const std::string& address,
                          const std::string& below) {
  const std::string folder =
      absl::StrCat(root_, "/", Folder(address), below.empty() ? "" : "/", below, "/net/", name);
  fs::create_directories(folder);
  fs::create_directory_symlink(folder, root_ + "/class/net/" + name);
}

void FakeSysfs::RemoveFunction(const std::string& address) {
  fs::remove(root_ + "/bus/pci/devices/" + address);
  fs::remove_all(root_ + "/" + Folder(address));
}

void FakeSysfs::SetDriver(const std::string& address, const std::string& driver) {
  const std::string link = root_ + "/" + Folder(address) + "/driver";
  fs::remove(link);
  if (!driver.empty()) {
    fs::create_directory_symlink(root_ + "/bus/pci/drivers/" + driver, link);
  }
}

std::string FakeSysfs::DriverOf(const std::string& address) const {
  return LinkName(root_ + "/" + Folder(address) + "/driver");
}

std::string FakeSysfs::OverrideOf(const std::string& address) const {
  return ReadLine(root_ + "/" + Folder(address) + "/driver_override");
}

std::vector<std::string> FakeSysfs::Writes() const {
  const std::lock_guard lock(mutex_);
  return writes_;
}

bool FakeSysfs::Eventually(const std::function<bool()>& reached) const {
  const absl::Time until = absl::Now() + absl::Seconds(20);
  while (!reached()) {
    if (absl::Now() > until) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

void FakeSysfs::PlayKernel() {
  while (!stop_) {
    std::vector<std::pair<std::string, std::string>> got;
    {
      const std::lock_guard lock(mutex_);
      for (const Pipe& pipe : pipes_) {
        char text[256];
        const ssize_t bytes = ::read(pipe.fd.get(), text, sizeof text);
        if (bytes > 0) got.emplace_back(pipe.what, std::string(text, static_cast<size_t>(bytes)));
      }
    }
    for (const auto& [what, text] : got) Act(what, text);
    ::poll(nullptr, 0, 1);
  }
}

void FakeSysfs::Act(const std::string& what, const std::string& text) {
  Driver how = Driver::kWilling;
  std::string driver = what.substr(what.find(' ') + 1);
  if (what == "probe") driver = OverrideOf(text);
  {
    const std::lock_guard lock(mutex_);
    writes_.push_back(what + " " + text);
    const auto known = drivers_.find(driver);
    if (known != drivers_.end()) how = known->second;
    if (known == drivers_.end() && what == "probe") return;
  }
  if (what.starts_with("unbind ")) {
    SetDriver(text, "");
  } else if (what == "probe" || what.starts_with("bind ")) {
    if (how != Driver::kTakesNothing && DriverOf(text).empty()) SetDriver(text, driver);
  } else if (what.starts_with("vfs ")) {
    // "0" and "2" may come in one piece.
    const int count = text.back() - '0';
    const std::string folder = root_ + "/" + Folder(driver);
    for (int i = 0; i < 8; ++i) {
      const std::string vf = absl::StrFormat("%s10.%d", driver.substr(0, 8), i);
      const std::string link = absl::StrCat(folder, "/virtfn", i);
      fs::remove(link);
      if (i >= count) continue;
      fs::create_directories(root_ + "/" + Folder(vf));
      fs::create_directory_symlink(root_ + "/" + Folder(vf), link);
    }
  }
}

}  // namespace qsplit::testing
