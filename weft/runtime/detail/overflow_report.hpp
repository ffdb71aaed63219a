#pragma once

namespace weft::detail {

/// From now on a virtual thread that uses up its stack ends the program with a report that names it.
/// Thread: any. Again: nothing.
void report_overflows();

}  // namespace weft::detail
