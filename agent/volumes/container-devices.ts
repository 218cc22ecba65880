// Which block devices a container gets: those behind its volumes, under the names that it wants.
import { realpath } from 'node:fs/promises';
import type { Container, Pod } from '../../kube/types.ts';
import type { DeviceMapping } from '../docker/engine.ts';
import { VolumeError } from '../model.ts';

/** `links` are where the pod's volumes lie, by name. Throws `VolumeError`. */
export function containerDevices(
  { spec }: Pod,
  { name, volumeDevices = [] }: Container,
  links: ReadonlyMap<string, string>,
): Promise<readonly DeviceMapping[]> {
  const devices = volumeDevices.map(async (device): Promise<DeviceMapping> => {
    const link = links.get(device.name);
    if (link === undefined) {
      throw new VolumeError(device.name, `cannot find volume "${device.name}" to pass into container "${name}"`);
    }
    const volume = spec.volumes?.find((one) => one.name === device.name);
    const isReadOnly = volume?.persistentVolumeClaim?.readOnly === true;
    return {
      hostPath: await realpath(link),
      containerPath: device.devicePath,
      permissions: isReadOnly ? 'r' : 'mrw',
    };
  });
  return Promise.all(devices);
}
