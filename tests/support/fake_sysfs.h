// A sysfs in a temporary folder, with PCI functions, drivers and IOMMU groups of the test's making.
//
// A thread plays the kernel: what is written to `unbind`, `bind`, `drivers_probe` and
// `sriov_numvfs`, which are pipes here, changes the links. A stuck driver's `unbind` is a pipe that
// nobody reads, so that whoever writes there hangs as he would in the kernel.
#ifndef QSPLIT_TESTS_SUPPORT_FAKE_SYSFS_H_
#define QSPLIT_TESTS_SUPPORT_FAKE_SYSFS_H_

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/linux/owned_fd.h"
#include "daemon/linux/pci_driver.h"

namespace qsplit::testing {

struct FakePciFunction {
  std::string driver;  // empty: none
  int group = -1;      // none
  uint32_t class_code = 0x020000;
  uint32_t total_vfs = 0;
  std::string driver_override = "(null)";
  std::string numa_node = "-1";
};

class FakeSysfs {
 public:
  FakeSysfs();
  ~FakeSysfs();
  FakeSysfs(const FakeSysfs&) = delete;
  FakeSysfs& operator=(const FakeSysfs&) = delete;

  // For what is under test: its root, and a patience that a test can bear.
  linux_sys::PciSysfs sysfs() const { return {root_, absl::Milliseconds(400)}; }
  const std::string& root() const { return root_; }

  enum class Driver { kWilling, kStuck, kTakesNothing };
  // Again: from now on it is like this, though stuck only from the first time on.
  void AddDriver(const std::string& name, Driver how = Driver::kWilling);
  // The group's other functions are those that were added with its number.
  void AddFunction(const std::string& address, const FakePciFunction& function);
  // `below`: folders between the function and net/.
  void AddNetdev(const std::string& name, const std::string& address,
                 const std::string& below = "");
  void RemoveFunction(const std::string& address);
  // Stuck drivers let go: who hangs there goes on.
  void LetGo();
  // Without the kernel's doing.
  void SetDriver(const std::string& address, const std::string& driver);
  void WriteFile(const std::string& path, const std::string& text);

  std::string DriverOf(const std::string& address) const;
  std::string OverrideOf(const std::string& address) const;
  // What the kernel got, in order: "unbind former 0000:01:00.0", "probe …", "bind …", "vfs … 2".
  std::vector<std::string> Writes() const;
  bool Eventually(const std::function<bool()>& reached) const;

 private:
  struct Pipe {
    linux_sys::OwnedFd fd;
    std::string what;  // "unbind former", "probe", "bind former", "vfs 0000:01:00.0"
  };

  void AddPipe(const std::string& path, const std::string& what, bool read);
  void PlayKernel();
  void Act(const std::string& what, const std::string& text);
  std::string Folder(const std::string& address) const;

  std::string root_;
  mutable std::mutex mutex_;
  std::vector<Pipe> pipes_;
  std::vector<std::string> stuck_pipes_;
  std::vector<linux_sys::OwnedFd> freed_;  // readers of those
  std::map<std::string, Driver> drivers_;
  std::vector<std::string> writes_;
  std::atomic<bool> stop_ = false;
  std::thread kernel_;
};

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_FAKE_SYSFS_H_
