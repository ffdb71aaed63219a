#pragma once

#include <weft/base/accounting.hpp>
#include <weft/task/detail/task_base.hpp>

namespace weft {

/// While it lives, the calling task's waits add to `account`; afterwards to what was installed before.
class accounting_scope {
 public:
  explicit accounting_scope(accounting& account) noexcept : task_{detail::current_task()}, outer_{task_.account} {
    bring_up_to_date();
    task_.account = &account;
  }
  ~accounting_scope() {
    bring_up_to_date();
    task_.account = outer_;
  }
  accounting_scope(const accounting_scope&) = delete;
  accounting_scope& operator=(const accounting_scope&) = delete;

  /// Before `account` is read: adds the time that the task was blocked for since its last wait. The scope's end does
  /// the same.
  static void bring_up_to_date() noexcept;

 private:
  detail::task_base& task_;
  accounting* outer_;
};

}  // namespace weft
