"""What end-to-end tests and the demo stand on: standard library only.

processes  one child: started, watched, ended by its own id, its log kept
site       broker, mirror and router of Isthmus from a configuration, on free ports
relay      the line between two sites: delay, rate, cut, stall (relay.cc)
network    hosts of their own: network namespaces whose lines can be cut each way
phases     the same line, frame by frame: holds one request or answer of a switchover
kafka      a real Apache Kafka and its tools
logs       partitions on disk, batch by batch; a copy is a prefix or is not
ledger     what was sent, what was read: hashes per partition, lost, duplicated, reordered
cluster    three brokers, a ZooKeeper and clients, on a host each
history    what clients of a cluster did and were told
anomalies  what must not be in a history, in the manner of Jepsen's workload for Kafka
workload   clients on a host that make a history
nemesis    what is done to a cluster meanwhile, by a plan from a seed
testing    the runner: unittest, where a missing peer is a skip that ctest counts
"""
