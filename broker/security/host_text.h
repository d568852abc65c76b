// The text of a host in ACLs. Kafka compares hosts as texts with what Java writes for an address:
// IPv6 in full (0:0:0:0:0:0:0:1), IPv4 as itself also where it arrives on a socket of IPv6. Our
// sockets write ::1 and ::ffff:10.0.0.1, and so do people. All become Java's form here, on both
// sides of the comparison. What is no address of IPv6 stays as it is.
#pragma once

#include <string>
#include <string_view>

namespace isthmus::broker {

std::string host_text(std::string_view host);

}  // namespace isthmus::broker
