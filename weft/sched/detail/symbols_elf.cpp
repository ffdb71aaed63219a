#include "weft/sched/detail/symbols.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// Nothing in the file is believed: each offset and size is checked against its length.

namespace weft::sched {
namespace {

using header = ElfW(Ehdr);
using section = ElfW(Shdr);
using entry = ElfW(Sym);

/// A file in memory, read-only.
class mapped_file {
 public:
  explicit mapped_file(const char* path) noexcept {
    const int file = ::open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    struct stat about{};
    if (::fstat(file, &about) == 0 && about.st_size > 0) {
      auto* mapped = ::mmap(nullptr, static_cast<std::size_t>(about.st_size), PROT_READ, MAP_PRIVATE, file, 0);
      if (mapped != MAP_FAILED)
        bytes_ = {static_cast<const std::byte*>(mapped), static_cast<std::size_t>(about.st_size)};
    }
    ::close(file);
  }
  ~mapped_file() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
  mapped_file(const mapped_file&) = delete;
  mapped_file& operator=(const mapped_file&) = delete;

  /// `count` objects at `offset`, or nothing when the file does not hold them.
  template <class T>
  [[nodiscard]] std::span<const T> at(std::uint64_t offset, std::uint64_t count) const noexcept {
    if (offset > bytes_.size() || count > (bytes_.size() - offset) / sizeof(T) || offset % alignof(T) != 0) return {};
    return {reinterpret_cast<const T*>(bytes_.data() + offset), static_cast<std::size_t>(count)};
  }

 private:
  std::span<const std::byte> bytes_;
};

/// The program or library that holds an address.
struct loaded_object {
  std::uintptr_t address;
  std::uintptr_t moved_by = 0;  // from where its file says that it lies
  const char* path = nullptr;
};

int find_object(dl_phdr_info* about, std::size_t, void* into) {
  auto& wanted = *static_cast<loaded_object*>(into);
  for (const auto& segment : std::span{about->dlpi_phdr, about->dlpi_phnum}) {
    if (segment.p_type != PT_LOAD) continue;
    const auto begins = about->dlpi_addr + segment.p_vaddr;
    if (wanted.address < begins || wanted.address - begins >= segment.p_memsz) continue;
    wanted.moved_by = about->dlpi_addr;
    // The program itself has no name here.
    wanted.path = *about->dlpi_name ? about->dlpi_name : "/proc/self/exe";
    return 1;
  }
  return 0;
}

/// The function in a symbol table that holds `place`, an address as the file counts them.
[[nodiscard]] const entry* find_function(std::span<const entry> table, std::uintptr_t place) noexcept {
  for (const auto& each : table) {
    if (ELF64_ST_TYPE(each.st_info) != STT_FUNC || each.st_shndx == SHN_UNDEF) continue;
    if (place >= each.st_value && place - each.st_value < each.st_size) return &each;
  }
  return nullptr;
}

[[nodiscard]] std::string name_in(std::span<const char> strings, std::size_t offset) {
  if (offset >= strings.size()) return {};
  const auto rest = strings.subspan(offset);
  return {rest.data(), ::strnlen(rest.data(), rest.size())};
}

}  // namespace

symbol symbol_at(const void* address) {
  loaded_object where{.address = reinterpret_cast<std::uintptr_t>(address)};
  if (::dl_iterate_phdr(&find_object, &where) == 0) return {};
  const mapped_file file{where.path};
  const auto head = file.at<header>(0, 1);
  if (head.empty() || std::memcmp(head[0].e_ident, ELFMAG, SELFMAG) != 0) return {};
  const auto sections = file.at<section>(head[0].e_shoff, head[0].e_shnum);
  for (const auto& each : sections) {
    if (each.sh_type != SHT_SYMTAB || each.sh_link >= sections.size()) continue;
    const auto* found =
        find_function(file.at<entry>(each.sh_offset, each.sh_size / sizeof(entry)), where.address - where.moved_by);
    if (!found) continue;
    const auto& strings = sections[each.sh_link];
    return {.name = name_in(file.at<char>(strings.sh_offset, strings.sh_size), found->st_name),
            .begins = reinterpret_cast<const void*>(found->st_value + where.moved_by)};
  }
  return {};
}

}  // namespace weft::sched
