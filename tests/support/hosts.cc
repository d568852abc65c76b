// hosts: names that a test makes up, for LD_PRELOAD: getaddrinfo answers 127.0.0.1 for whatever
// ends in what ISTHMUS_HOSTS says (".corp"), as a wildcard in the DNS would. hosts.py sets it.
#include <dlfcn.h>
#include <netdb.h>

#include <cstdlib>
#include <cstring>

namespace {

using Getaddrinfo = int (*)(const char*, const char*, const addrinfo*, addrinfo**);

bool is_made_up(const char* name) {
  const char* end = getenv("ISTHMUS_HOSTS");
  if (end == nullptr || name == nullptr || strlen(name) < strlen(end)) return false;
  return strcmp(name + strlen(name) - strlen(end), end) == 0;
}

}  // namespace

extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints,
                           addrinfo** found) {
  static const auto real = reinterpret_cast<Getaddrinfo>(dlsym(RTLD_NEXT, "getaddrinfo"));
  return real(is_made_up(name) ? "127.0.0.1" : name, service, hints, found);
}
