"""What end-to-end tests and the demo stand on: standard library only.

processes  one child: started, watched, ended by its own id, its log kept
site       broker, mirror and router of Isthmus from a configuration, on free ports
relay      the line between two sites: delay, rate, cut, stall (relay.cc)
phases     the same line, frame by frame: holds one request or answer of a switchover
kafka      a real Apache Kafka and its tools
logs       partitions on disk, batch by batch; a copy is a prefix or is not
ledger     what was sent, what was read: hashes per partition, lost, duplicated, reordered
testing    the runner: unittest, where a missing peer is a skip that ctest counts
"""
