// securityContext as the engine understands it.
import type { Container, Pod, SecurityContext } from '../../../kube/types.ts';
import type { ContainerPlan } from '../../docker/engine.ts';
import { ContainerConfigError } from './errors.ts';

export interface SecurityFacts {
  /** The image's own user: "", "1000", "app", "1000:1000". */
  readonly imageUser: string;
  readonly seccompDefault: boolean;
  /** The profiles that the pod names, by path below the seccomp directory. */
  readonly seccompProfiles: ReadonlyMap<string, string>;
}

type SecurityPart = Pick<
  ContainerPlan,
  | 'user'
  | 'groupAdd'
  | 'privileged'
  | 'capAdd'
  | 'capDrop'
  | 'securityOpt'
  | 'readOnlyRootFs'
  | 'maskedPaths'
  | 'readonlyPaths'
>;

const largestId = 2 ** 31 - 1;

export function securityOf(pod: Pod, container: Container, facts: SecurityFacts): SecurityPart {
  const own = container.securityContext ?? {};
  const whole = pod.spec.securityContext ?? {};
  verifyNonRoot(pod, container, facts.imageUser);
  const user = userOf(own.runAsUser ?? whole.runAsUser, own.runAsGroup ?? whole.runAsGroup, facts.imageUser);
  const groups = [whole.fsGroup, ...(whole.supplementalGroups ?? [])].filter((group) => group !== undefined);
  return {
    ...(user === undefined ? {} : { user }),
    ...(groups.length > 0 ? { groupAdd: groups.map(String) } : {}),
    privileged: own.privileged === true,
    capAdd: (own.capabilities?.add ?? []).map(capability),
    capDrop: (own.capabilities?.drop ?? []).map(capability),
    securityOpt: optionsOf(pod, container, facts),
    readOnlyRootFs: own.readOnlyRootFilesystem === true,
    ...(own.procMount === 'Unmasked' ? { maskedPaths: [], readonlyPaths: [] } : {}),
  };
}

const capability = (name: string): string => name.toUpperCase().replace(/^CAP_/, '');

function userOf(user: number | undefined, group: number | undefined, imageUser: string): string | undefined {
  if (user === undefined && group === undefined) return undefined;
  const name = user === undefined ? imageUser.split(':')[0] || '0' : `${user}`;
  return group === undefined ? name : `${name}:${group}`;
}

/** Upstream's three refusals. A name cannot be judged without the image's passwd file. */
function verifyNonRoot(pod: Pod, container: Container, imageUser: string): void {
  const own = container.securityContext ?? {};
  const whole = pod.spec.securityContext ?? {};
  if ((own.runAsNonRoot ?? whole.runAsNonRoot) !== true) return;
  const where = `(pod: "${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})", container: ${container.name})`;
  const asked = own.runAsUser ?? whole.runAsUser;
  if (asked !== undefined) {
    if (asked === 0) throw new ContainerConfigError(`container's runAsUser breaks non-root policy ${where}`);
    return;
  }
  const name = imageUser.split(':')[0] ?? '';
  if (name === '') throw new ContainerConfigError(`container has runAsNonRoot and image will run as root ${where}`);
  if (!/^[0-9]{1,10}$/.test(name) || Number(name) > largestId) {
    throw new ContainerConfigError(
      `container has runAsNonRoot and image has non-numeric user (${name}), cannot verify user is non-root ${where}`,
    );
  }
  if (Number(name) === 0)
    throw new ContainerConfigError(`container has runAsNonRoot and image will run as root ${where}`);
}

function optionsOf(pod: Pod, container: Container, facts: SecurityFacts): string[] {
  const own = container.securityContext ?? {};
  const whole = (pod.spec.securityContext ?? {}) as SecurityContext;
  const options: string[] = [];
  if (own.allowPrivilegeEscalation === false) options.push('no-new-privileges');
  const selinux = own.seLinuxOptions ?? whole.seLinuxOptions;
  for (const part of ['user', 'role', 'type', 'level'] as const) {
    if (selinux?.[part]) options.push(`label=${part}:${selinux[part]}`);
  }
  const seccomp = seccompOf(own.seccompProfile ?? whole.seccompProfile, own.privileged === true, facts);
  if (seccomp !== undefined) options.push(`seccomp=${seccomp}`);
  const apparmor = appArmorOf(pod, container);
  if (apparmor !== undefined) options.push(`apparmor=${apparmor}`);
  return options;
}

/** Undefined: the engine's own profile. Without a word upstream confines nothing. */
function seccompOf(
  profile: SecurityContext['seccompProfile'],
  isPrivileged: boolean,
  facts: SecurityFacts,
): string | undefined {
  const type = profile?.type ?? (facts.seccompDefault && !isPrivileged ? 'RuntimeDefault' : 'Unconfined');
  if (type === 'RuntimeDefault') return undefined;
  if (type !== 'Localhost') return 'unconfined';
  const path = profile?.localhostProfile ?? '';
  if (path === '') throw new ContainerConfigError('localhostProfile must be set if seccompProfile type is Localhost.');
  const text = facts.seccompProfiles.get(path);
  if (text === undefined) throw new ContainerConfigError(`cannot load seccomp profile "${path}"`);
  return text;
}

function appArmorOf(pod: Pod, container: Container): string | undefined {
  const profile = container.securityContext?.appArmorProfile ?? pod.spec.securityContext?.appArmorProfile;
  if (!profile) {
    const legacy = pod.metadata.annotations?.[`container.apparmor.security.beta.kubernetes.io/${container.name}`];
    if (legacy === 'unconfined') return 'unconfined';
    return legacy?.startsWith('localhost/') ? legacy.slice('localhost/'.length) : undefined;
  }
  if (profile.type === 'Unconfined') return 'unconfined';
  return profile.type === 'Localhost' ? profile.localhostProfile : undefined;
}

/** The seccomp profiles that a container names; they are read before its plan is made. */
export function seccompPath(pod: Pod, container: Container): string | undefined {
  const profile = container.securityContext?.seccompProfile ?? pod.spec.securityContext?.seccompProfile;
  return profile?.type === 'Localhost' ? profile.localhostProfile : undefined;
}
