# tap.sh: the demo with root. Sourced by scripts/demo.
#
#   namespace WORLD                     namespace HOST
#   10.99.0.1  tap qsw0 ===wire=== nic0 (qsplitd) --- representor qsr0  10.99.0.2
#                                     |--- queue ... responder A  10.99.0.10  UDP 4242
#                                     `--- queue ... responder B  10.99.0.11  UDP 4343

# A uid that owns nothing, and no capability.
drop() { as_root "${IN_HOST[@]}" setpriv --reuid 65534 --regid 65534 --clear-groups \
  --bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs "$@"; }
world() { as_root ip netns exec "$WORLD" "$@"; }
host() { as_root ip netns exec "$HOST" "$@"; }
IN_HOST=(ip netns exec "$HOST")
[ "$(id -u)" = 0 ] || IN_HOST=(sudo ip netns exec "$HOST")

step "A world and a host, each a network namespace; qsplitd's software NIC between them"
as_root ip netns add "$WORLD"
as_root ip netns add "$HOST"
host ip link set lo up
cat >"$RUN/qsplitd.toml" <<T
[daemon]
runtime_dir = "$RUN/run"

[[device]]
name = "nic0"
backend = "softnic"
queues = 8
wire = { tap = "qsw0", netns = "$WORLD" }
representor = "qsr0"

[[tenant]]
name = "nobody"
uids = [65534]
devices = ["nic0"]
quotas = { rx_queues = 4, tx_queues = 4 }
steer = [
  { flow_type = "udp4", dst_port = 4242 },
  { flow_type = "udp4", dst_port = 4343 },
  { flow_type = "ip4", dst_ip = "10.99.0.10", l4_protocol = 1 },
  { flow_type = "ip4", dst_ip = "10.99.0.11", l4_protocol = 1 },
]
T
sed 's/^/    /' "$RUN/qsplitd.toml"
host "$BIN/qsplitd" --config "$RUN/qsplitd.toml" >"$RUN/qsplitd.log" 2>&1 &
wait_for "$RUN/qsplitd.log" ready "$!"
world ip addr add 10.99.0.1/24 dev qsw0
world ip link set qsw0 up
host ip addr add 10.99.0.2/24 dev qsr0
host ip link set qsr0 up
# Both responders stand behind the NIC's own MAC; the world is told, so that no queue needs ARP.
MAC=$(host cat /sys/class/net/qsr0/address)
world ip neigh add 10.99.0.10 lladdr "$MAC" dev qsw0
world ip neigh add 10.99.0.11 lladdr "$MAC" dev qsw0
show qsplit device list

step "Two responders, as uid 65534 without any capability, each with a queue of its own"
start_responder() {  # NAME ADDRESS PORT
  drop "$BIN/qsplit-responder" --runtime-dir "$RUN/run" --device nic0 --ip "$2" --udp-port "$3" \
    >"$RUN/$1.log" 2>&1 &
  wait_for "$RUN/$1.log" ready "$!"
}
start_responder a 10.99.0.10 4242
start_responder b 10.99.0.11 4343
A=$(pgrep -f -n "qsplit-responder --runtime-dir $RUN/run .*--udp-port 4242")
grep -E '^(Uid|CapEff|CapPrm|CapBnd)' "/proc/$A/status" | sed 's/^/    /'
show qsplit lease list
show qsplit rule list

step "Packets from the world's kernel stack reach the right one"
expect "ping to 10.99.0.10 is answered by responder A" world ping -q -c 20 -i 0.01 -W 1 10.99.0.10
expect "ping to 10.99.0.11 is answered by responder B" world ping -q -c 20 -i 0.01 -W 1 10.99.0.11
expect "UDP 4242 is answered by A, every datagram" \
  world python3 "$QSPLIT_ROOT/tests/support/udp_ping.py" 10.99.0.10 4242 --count 200
expect "UDP 4343 is answered by B, every datagram" \
  world python3 "$QSPLIT_ROOT/tests/support/udp_ping.py" 10.99.0.11 4343 --count 200
expect "ping to 10.99.0.2 is answered by the host's kernel, through the representor" \
  world ping -q -c 20 -i 0.01 -W 1 10.99.0.2
show qsplit stats show nic0

step "SIGKILL of responder A"
as_root kill -KILL "$A"
expect "its lease is gone within 100 ms" soon is_count 1 lease list
expect "its rules are gone" is_count 2 rule list
expect "its region is gone" is_count 1 region list
expect "responder B never noticed" \
  world python3 "$QSPLIT_ROOT/tests/support/udp_ping.py" 10.99.0.11 4343 --count 200
expect "the host still answers" world ping -q -c 5 -i 0.01 -W 1 10.99.0.2
B=$(pgrep -f -n "qsplit-responder --runtime-dir $RUN/run .*--udp-port 4343")
as_root kill -KILL "$B"
expect "after B is killed too, no lease is left" soon is_count 0 lease list
expect "and no rule" is_count 0 rule list
show qsplit lease list
show qsplit rule list

step "SIGTERM to qsplitd"
D=$(pgrep -f -n "qsplitd --config $RUN/qsplitd.toml")
as_root kill -TERM "$D"
gone() { for _ in $(seq 40); do as_root kill -0 "$D" 2>/dev/null || return 0; sleep 0.05; done; return 1; }
expect "it stops within two seconds" gone
no_link() { ! host ip link show qsr0; }
expect "and the representor is gone" no_link
