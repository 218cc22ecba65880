// What containers with newer kinds of mounts are created from, and which version of the API they need.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BindMount, ContainerPlan } from '../../../../agent/docker/engine.ts';
import { needsNewApi, toCreateBody, toImage } from '../../../../agent/docker/wire.ts';

const bind: BindMount = { hostPath: '/a', containerPath: '/b', readOnly: true, propagation: 'rprivate' };
const plan = (...mounts: BindMount[]): ContainerPlan => ({ name: 'n', image: 'i', labels: {}, mounts });
const mountsOf = (of: ContainerPlan) => (toCreateBody(of)['HostConfig'] as { Mounts: unknown }).Mounts;

test('plain binds are what every engine understands', () => {
  assert.equal(needsNewApi(plan(bind)), false);
  assert.deepEqual(mountsOf(plan(bind)), [
    { Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true, BindOptions: { Propagation: 'rprivate' } },
  ]);
});

test('images and recursion need a newer engine, which is told not to recurse into the other binds', () => {
  const image = { ...bind, hostPath: 'etc', imageId: 'sha256:1', containerPath: '/i' };
  const recursive = { ...bind, isRecursivelyReadOnly: true, containerPath: '/r' };
  const all = plan(bind, { ...bind, readOnly: false, containerPath: '/w' }, recursive, image, {
    ...image,
    hostPath: '',
  });
  assert.equal(needsNewApi(all), true);
  const common = { Type: 'bind', Source: '/a', ReadOnly: true };
  assert.deepEqual(mountsOf(all), [
    { ...common, Target: '/b', BindOptions: { Propagation: 'rprivate', ReadOnlyNonRecursive: true } },
    { ...common, Target: '/w', ReadOnly: false, BindOptions: { Propagation: 'rprivate' } },
    { ...common, Target: '/r', BindOptions: { Propagation: 'rprivate', ReadOnlyForceRecursive: true } },
    { Type: 'image', Source: 'sha256:1', Target: '/i', ReadOnly: true, ImageOptions: { Subpath: 'etc' } },
    { Type: 'image', Source: 'sha256:1', Target: '/i', ReadOnly: true },
  ]);
});

test('an image tells its layers only where they are directories', () => {
  const image = { Id: 'i', RepoTags: null, RepoDigests: null, Size: 1 };
  const of = (driver: string, data: Record<string, string> | null) =>
    toImage({ ...image, GraphDriver: { Name: driver, Data: data } }).layers;
  assert.deepEqual(of('overlay2', { UpperDir: '/3', LowerDir: '/2:/1' }), ['/3', '/2', '/1']);
  assert.deepEqual(of('overlay2', { UpperDir: '/1' }), ['/1']);
  assert.equal(of('btrfs', null), undefined);
});
