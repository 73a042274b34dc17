import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'ava';
import type { DoctorContext } from '../../../src/doctor/context.ts';
import { checkContents } from '../../../src/doctor/rootfs.ts';
import { writeTreeRecord } from '../../../src/image/versions/tree-record.ts';
import { layout, manifest } from '../../support/model/node-model.ts';

const root = mkdtempSync(`${tmpdir()}/rootfs-test-`);
test.after.always(() => rmSync(root, { recursive: true, force: true }));

test.serial(
  'a node too busy to read the rootfs is not told that all of it is as it was installed',
  async (t) => {
    mkdirSync(`${root}/usr`);
    writeFileSync(`${root}/usr/file`, 'as installed');
    await writeTreeRecord(root);
    writeFileSync(`${root}/usr/file`, 'changed');
    const found: boolean[] = [];
    const judge = async () => {
      const [judgement] = await checkContents({
        root,
        layout,
        manifest: { ...manifest, filesystems: {}, daemons: { startStatd: '/start' } },
        lastLook: { isGood: false, found: async (_: string, isGood: boolean) => void found.push(isGood) },
        typesWith: () => undefined,
      } as unknown as DoctorContext);
      return `${judgement?.level} ${judgement?.message}`;
    };
    t.regex(await judge(), /^failing is damaged: \/usr\/file \(changed\)/);
    const { now } = performance;
    // Each look at the clock is a minute after the one before.
    let minutes = 0;
    performance.now = () => {
      minutes += 1;
      return minutes * 60_000;
    };
    try {
      t.regex(
        await judge(),
        /^ok has all .*; this node is too busy to read all of it .*: run mounter doctor again$/,
      );
    } finally {
      performance.now = now;
    }
    t.deepEqual(found, [false], 'what was not read is no news');
  },
);
