// Asio itself, compiled once: everything else sees declarations only (ASIO_SEPARATE_COMPILATION).
#include <asio/impl/src.hpp>
