#pragma once

#include <string>

namespace weft::sched {

/// The name, still mangled, of the function that `address` lies in, and where that begins: from the symbol table of the
/// program or library, which also lists functions that the dynamic linker does not know (those of a program linked
/// without -rdynamic). Empty when the file was stripped or cannot be read. Opens and maps the file: takes its time.
/// Thread: any.
struct symbol {
  std::string name;
  const void* begins = nullptr;
};
[[nodiscard]] symbol symbol_at(const void* address);

}  // namespace weft::sched
