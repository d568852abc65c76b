"""Makes ACLs that allow; by confluent-kafka, whose newer versions can.

    acls.py OPTIONS ROWS    librdkafka's options, and [[principal, type, name, pattern], ...]; JSON
"""

import json
import sys

from confluent_kafka.admin import (AclBinding, AclOperation, AclPermissionType, AdminClient,
                                   ResourcePatternType, ResourceType)

bindings = [AclBinding(ResourceType[kind], name, ResourcePatternType[pattern], principal, "*",
                       AclOperation.ALL, AclPermissionType.ALLOW)
            for principal, kind, name, pattern in json.loads(sys.argv[2])]
admin = AdminClient(json.loads(sys.argv[1]))
for made in admin.create_acls(bindings).values():
    made.result(60)
