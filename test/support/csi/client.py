"""Calls a CSI driver by gRPC's C core, which has nothing of ours in it.

    client.py SOCKET [AUTHORITY] < requests > answers

A request is a line of JSON: {"id", "service", "method", "request", "seconds"}; each is called at once, whatever the
others do. An answer is a line as well, in the order in which they come: {"id", "code", "message", "answer", "ms"}.
"""

import json
import sys
import threading
import time

import csi_pb2
import grpc
from google.protobuf import json_format

options = [("grpc.default_authority", sys.argv[2])] if len(sys.argv) > 2 else []
# As kubelet: a connection of its own for each call, and a driver that was killed is back soon.
options += [("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 100)]
lock = threading.Lock()


def call(line):
    wanted = json.loads(line)
    service, method = wanted["service"], wanted["method"]
    package = "pluginregistration" if service == "Registration" else "csi.v1"
    answer_type = getattr(csi_pb2, method + "Response")
    channel = grpc.insecure_channel("unix:" + sys.argv[1], options=options)
    stub = channel.unary_unary(
        f"/{package}.{service}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=answer_type.FromString,
    )
    began = time.monotonic()
    result = {"id": wanted["id"]}
    try:
        request = json_format.ParseDict(wanted.get("request", {}), getattr(csi_pb2, method + "Request")())
        answer = stub(request, timeout=wanted.get("seconds", 120), wait_for_ready=True)
        result |= {"code": "OK", "message": "", "answer": json_format.MessageToDict(answer)}
    except grpc.RpcError as error:
        result |= {"code": error.code().name, "message": error.details(), "answer": None}
    channel.close()
    result["ms"] = round((time.monotonic() - began) * 1000)
    with lock:
        print(json.dumps(result), flush=True)


threads = []
for request_line in sys.stdin:
    threads.append(threading.Thread(target=call, args=(request_line,), daemon=True))
    threads[-1].start()
for thread in threads:
    thread.join()
