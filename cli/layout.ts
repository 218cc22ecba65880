// Where things stand on a machine that has nodelet installed as services.
import { join } from 'node:path';

export const settingsDir = '/etc/nodelet';
export const dataDir = '/var/lib/nodelet';
export const kubeletDir = join(dataDir, 'kubelet');
export const adminKubeconfig = join(dataDir, 'admin.conf');

export const files = {
  ca: join(settingsDir, 'ca.crt'),
  bootstrap: join(settingsDir, 'bootstrap-kubelet.conf'),
  kubeconfig: join(settingsDir, 'kubelet.conf'),
  kubeletArgs: join(settingsDir, 'kubelet.env'),
  proxyArgs: join(settingsDir, 'proxy.env'),
  clientPem: join(kubeletDir, 'pki/kubelet-client-current.pem'),
  servingPem: join(kubeletDir, 'pki/kubelet-server-current.pem'),
} as const;

export const units = {
  controlplane: 'nodelet-controlplane.service',
  kubelet: 'nodelet-kubelet.service',
  proxy: 'nodelet-proxy.service',
} as const;
