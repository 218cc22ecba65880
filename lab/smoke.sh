#!/bin/sh
# Asks a cluster of several nodes for what it promises: pods on every node, pod to pod, Services, NodePorts, DNS where there is one.
# smoke.sh [kubeconfig] [command that runs on another machine, such as "ssh somewhere"]; needs kubectl, and the lab's busybox image on each node.
set -eu
export KUBECONFIG="${1:-${KUBECONFIG:-/var/lib/nodelet/admin.conf}}"
outside=${2:-}
space=smoke-$$
image=nodelet.local/busybox:1
failed=0

say() { printf '%-58s %s\n' "$1" "$2"; }
check() {
  what=$1
  shift
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    if got=$("$@" 2>&1); then
      say "$what" ok
      return
    fi
    sleep 1
  done
  say "$what" "FAILED: $got"
  failed=1
}
in_pod() { pod=$1; shift; kubectl -n "$space" exec "$pod" -- "$@"; }
# Succeeds when the answer is the name of a pod of ours.
answers() { "$@" | grep -q '^web-'; }
cleanup() { kubectl delete namespace "$space" --wait=false >/dev/null 2>&1 || true; }
trap cleanup EXIT

kubectl create namespace "$space" >/dev/null
nodes=$(kubectl get nodes -o 'jsonpath={.items[*].metadata.name}')
for _ in 1 2 3 4 5 6 7 8 9 10; do
  kubectl -n "$space" get serviceaccount default >/dev/null 2>&1 && break
  sleep 1
done

for node in $nodes; do
  kubectl -n "$space" apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: { name: web-$node, labels: { app: web } }
spec:
  nodeName: $node
  terminationGracePeriodSeconds: 0
  containers:
    - name: web
      image: $image
      imagePullPolicy: IfNotPresent
      command: [sh, -c, 'mkdir -p /www && hostname >/www/index.html && exec httpd -f -p 8080 -h /www']
      readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }
YAML
done
kubectl -n "$space" apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  type: NodePort
  selector: { app: web }
  ports: [{ port: 80, targetPort: 8080 }]
YAML
kubectl -n "$space" wait --for=condition=Ready pod --all --timeout=90s >/dev/null
say 'a pod is Ready on each of' "$nodes"

cluster_ip=$(kubectl -n "$space" get service web -o 'jsonpath={.spec.clusterIP}')
node_port=$(kubectl -n "$space" get service web -o 'jsonpath={.spec.ports[0].nodePort}')
for from in $nodes; do
  for to in $nodes; do
    pod_ip=$(kubectl -n "$space" get pod "web-$to" -o 'jsonpath={.status.podIP}')
    check "pod on $from to pod on $to" answers in_pod "web-$from" timeout 3 wget -q -O - "http://$pod_ip:8080/"
  done
  check "pod on $from to the ClusterIP" answers in_pod "web-$from" timeout 3 wget -q -O - "http://$cluster_ip/"
  address=$(kubectl get node "$from" -o 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}')
  # shellcheck disable=SC2086
  check "NodePort at $from, from outside" answers $outside timeout 3 busybox wget -q -O - "http://$address:$node_port/"
  check "logs of the pod on $from" kubectl -n "$space" logs "web-$from"
done
if kubectl -n kube-system get service kube-dns >/dev/null 2>&1; then
  for from in $nodes; do
    check "DNS in the pod on $from" in_pod "web-$from" nslookup "web.$space.svc.cluster.local"
  done
else
  say 'DNS' 'this cluster has no kube-dns Service: not asked'
fi
[ "$failed" = 0 ] && echo 'the cluster keeps its promises'
exit "$failed"
