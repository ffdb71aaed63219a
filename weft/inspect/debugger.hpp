#pragma once

/// For a debugger, as `call (void)weft_dump_tasks()`: writes to standard error what runtime::dump_tasks() says, of all
/// runtimes. For that the debugger lets all threads run meanwhile, as it does unless told otherwise.
/// Thread: any, also one that runs no task.
extern "C" void weft_dump_tasks() noexcept;
