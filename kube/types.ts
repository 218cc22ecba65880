// The Kubernetes objects we speak of, as JSON on the wire. Types only: nothing here exists at run time.

import type {
  IControllerRevision,
  IDaemonSet,
  IDeployment,
  IReplicaSet,
  IStatefulSet,
} from 'kubernetes-models/apps/v1';
import type { ICronJob, IJob } from 'kubernetes-models/batch/v1';
import type { ICertificateSigningRequest } from 'kubernetes-models/certificates.k8s.io/v1';
import type { ILease } from 'kubernetes-models/coordination.k8s.io/v1';
import type { IEndpointSlice } from 'kubernetes-models/discovery.k8s.io/v1';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1';
import type { ICSIDriver, ICSINode, IStorageClass, IVolumeAttachment } from 'kubernetes-models/storage.k8s.io/v1';
import type * as core from 'kubernetes-models/v1';

type Exact<T> = T extends undefined ? never : T;

export type ObjectMeta = Exact<core.IPod['metadata']>;
/** Metadata of an object that the API server has accepted. */
export type Meta = ObjectMeta & { name: string };
export type NamespacedMeta = Meta & { namespace: string; uid: string };

/** Any object of the API. */
export interface KubeObject {
  apiVersion: string;
  kind: string;
  metadata: Meta;
}

export type Pod = core.IPod & { metadata: NamespacedMeta; spec: core.IPodSpec };
export type PodSpec = core.IPodSpec;
export type PodStatus = core.IPodStatus;
export type PodCondition = core.IPodCondition;
export type Container = core.IContainer;
export type EphemeralContainer = core.IEphemeralContainer;
export type ContainerStatus = core.IContainerStatus;
export type ContainerState = core.IContainerState;
export type Volume = core.IVolume;
export type VolumeMount = core.IVolumeMount;
export type Probe = core.IProbe;
export type ResourceRequirements = core.IResourceRequirements;
export type SecurityContext = core.ISecurityContext;
export type PodSecurityContext = core.IPodSecurityContext;
export type EnvVar = core.IEnvVar;
export type Taint = core.ITaint;
export type Toleration = core.IToleration;
export type Node = core.INode & { metadata: Meta };
export type NodeStatus = core.INodeStatus;
export type NodeCondition = core.INodeCondition;
export type NodeAddress = core.INodeAddress;
export type Namespace = core.INamespace & { metadata: Meta };
export type Service = core.IService & { metadata: NamespacedMeta; spec: core.IServiceSpec };
export type ServicePort = core.IServicePort;
export type Endpoints = core.IEndpoints & { metadata: NamespacedMeta };
export type EndpointSlice = IEndpointSlice & { metadata: NamespacedMeta };
export type ConfigMap = core.IConfigMap & { metadata: NamespacedMeta };
export type Secret = core.ISecret & { metadata: NamespacedMeta };
export type ServiceAccount = core.IServiceAccount & { metadata: NamespacedMeta };
export type KubeEvent = core.IEvent & { metadata: NamespacedMeta };
export type PersistentVolume = core.IPersistentVolume & { metadata: Meta };
export type PersistentVolumeClaim = core.IPersistentVolumeClaim & { metadata: NamespacedMeta };
export type ObjectReference = core.IObjectReference;
export type CertificateSigningRequest = ICertificateSigningRequest & { metadata: Meta };
export type Lease = ILease & { metadata: NamespacedMeta };
export type CSIDriver = ICSIDriver & { metadata: Meta };
export type CSINode = ICSINode & { metadata: Meta };
export type StorageClass = IStorageClass & { metadata: Meta };
export type VolumeAttachment = IVolumeAttachment & { metadata: Meta };
export type PodTemplate = core.IPodTemplateSpec;
export type OwnerReference = Exact<ObjectMeta['ownerReferences']>[number];
export type ReplicationController = core.IReplicationController & {
  metadata: NamespacedMeta;
  spec: core.IReplicationControllerSpec;
};
export type ReplicaSet = IReplicaSet & { metadata: NamespacedMeta; spec: Exact<IReplicaSet['spec']> };
export type Deployment = IDeployment & { metadata: NamespacedMeta; spec: Exact<IDeployment['spec']> };
export type DaemonSet = IDaemonSet & { metadata: NamespacedMeta; spec: Exact<IDaemonSet['spec']> };
export type StatefulSet = IStatefulSet & { metadata: NamespacedMeta; spec: Exact<IStatefulSet['spec']> };
export type ControllerRevision = IControllerRevision & { metadata: NamespacedMeta };
export type Job = IJob & { metadata: NamespacedMeta; spec: Exact<IJob['spec']> };
export type CronJob = ICronJob & { metadata: NamespacedMeta; spec: Exact<ICronJob['spec']> };
export type PodDisruptionBudget = IPodDisruptionBudget & {
  metadata: NamespacedMeta;
  spec: Exact<IPodDisruptionBudget['spec']>;
};

/** A list as the API server answers it. */
export interface KubeList<T> {
  apiVersion: string;
  kind: string;
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  items: T[];
}

/** One line of a watch stream. A bookmark's object carries only its resourceVersion. */
export type WatchEvent<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; object: T }
  | { type: 'ERROR'; object: Status };

/** metav1.Status: what the API server says when it does not answer with an object. */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata?: { continue?: string };
  status: 'Success' | 'Failure';
  message?: string;
  reason?: string;
  code?: number;
  details?: {
    name?: string;
    group?: string;
    kind?: string;
    uid?: string;
    retryAfterSeconds?: number;
    causes?: { reason?: string; message?: string; field?: string }[];
  };
}
