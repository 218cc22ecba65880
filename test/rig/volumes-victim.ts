// The pod that the kill sweep works on: one volume of every kind that leaves something on the machine.
import type { DesiredPod } from '../../agent/model.ts';
import { container, desiredPod } from '../builders/pod.ts';

export function victim(outside: string): DesiredPod {
  return desiredPod({
    securityContext: { fsGroup: 4242 },
    volumes: [
      { name: 'data', emptyDir: {} },
      { name: 'fast', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
      { name: 'login', secret: { secretName: 'login' } },
      { name: 'settings', configMap: { name: 'settings' } },
      { name: 'host', hostPath: { path: outside } },
    ],
    containers: [
      container('main', {
        volumeMounts: [
          { name: 'data', mountPath: '/data', subPath: 'part/of' },
          { name: 'fast', mountPath: '/fast' },
          { name: 'login', mountPath: '/login', subPath: 'user' },
          { name: 'settings', mountPath: '/settings' },
          { name: 'host', mountPath: '/host', subPath: 'precious' },
        ],
      }),
    ],
  });
}
