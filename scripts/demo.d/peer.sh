# peer.sh: the demo without root. Sourced by scripts/demo.
#
#   responder A  UDP 4242 --queue-- nic0 ===wire=== nic1 --queue-- generator A
#   responder B  UDP 4343 --queue--'                  `---queue-- generator B
#                                                      `--queue-- capture: the answers

start_responder() {  # NAME ADDRESS PORT
  "$BIN/qsplit-responder" --runtime-dir "$RUN/run" --device nic0 --ip "$2" --udp-port "$3" \
    >"$RUN/$1.log" 2>&1 &
  STARTED=$!
  disown  # the shell need not report that it was killed
  wait_for "$RUN/$1.log" ready "$STARTED"
}
generate() {  # ADDRESS SOURCE-PORT PORT COUNT
  "$BIN/qsplit-generate" --runtime-dir "$RUN/run" --device nic1 --src-ip 10.99.0.1 --dst-ip "$1" \
    --dst-mac "$MAC" --src-port "$2" --dst-port "$3" --count "$4" --rate 2000
}
# answered FILE PORT COUNT: the capture holds COUNT answers from PORT.
answered() {
  local n
  n=$(tcpdump -nn -r "$1" "udp src port $2" 2>/dev/null | wc -l)
  echo "$n of $3"
  [ "$n" = "$3" ]
}
capture_during() {  # FILE COMMAND...: what nic1 is answered while the command runs
  local file=$1 p
  shift
  "$BIN/qsplit-capture" --runtime-dir "$RUN/run" --device nic1 --write "$file" \
    --rule 'flow-type udp4 dst-port 5001 action 0' --rule 'flow-type udp4 dst-port 5002 action 0' \
    >"$RUN/capture.log" 2>&1 &
  p=$!
  for _ in $(seq 100); do is_count 2 rule list nic1 >/dev/null && break; sleep 0.05; done
  "$@"
  sleep 0.3
  kill -TERM "$p"
  wait "$p" || true
}

step "qsplitd, without privilege: two software NICs wired to each other"
id
"$BIN/qsplitd" --runtime-dir "$RUN/run" >"$RUN/qsplitd.log" 2>&1 &
DAEMON=$!
wait_for "$RUN/qsplitd.log" ready "$DAEMON"
show qsplit device list
MAC=$(qsplit device show nic0 | awk '$1 == "mac:" {print $2}')

step "Two responders, each with a queue of its own on nic0"
start_responder a 10.99.0.10 4242
A=$STARTED
start_responder b 10.99.0.11 4343
B=$STARTED
show qsplit lease list
show qsplit rule list

step "Packets from nic1 reach the right one"
both() { generate 10.99.0.10 5001 4242 500 && generate 10.99.0.11 5002 4343 500; }
capture_during "$RUN/first.pcap" both
expect "UDP 4242 is answered by A, every datagram" answered "$RUN/first.pcap" 4242 500
expect "UDP 4343 is answered by B, every datagram" answered "$RUN/first.pcap" 4343 500
show qsplit stats show nic0

step "SIGKILL of responder A"
kill -KILL "$A"
expect "its lease is gone within 100 ms" soon is_count 1 lease list
expect "its rules are gone" is_count 2 rule list nic0
expect "its region is gone" is_count 1 region list
capture_during "$RUN/second.pcap" generate 10.99.0.11 5002 4343 500
expect "responder B never noticed" answered "$RUN/second.pcap" 4343 500
kill -KILL "$B"
expect "after B is killed too, no lease is left" soon is_count 0 lease list
expect "and no rule" is_count 0 rule list
show qsplit lease list
show qsplit rule list

step "SIGTERM to qsplitd"
kill -TERM "$DAEMON"
stopped() { for _ in $(seq 40); do kill -0 "$DAEMON" 2>/dev/null || return 0; sleep 0.05; done; return 1; }
expect "it stops within two seconds" stopped
