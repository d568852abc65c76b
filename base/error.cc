#include "base/error.h"

#include <system_error>

namespace isthmus {

Error Error::io(int errno_value, std::string what) {
  return {Kind::io, errno_value,
          std::move(what) + ": " + std::generic_category().message(errno_value)};
}

}  // namespace isthmus
