import test from 'ava';
import {
  mounter as downloaded,
  installedMounter,
  rootfsTar,
  ScratchNode,
} from '../support/node/namespace.ts';
import { makeSbinWritable } from '../support/node/writable-sbin.ts';
import { page } from '../support/texts/readme.ts';

/** The page's own lines, in their order. */
const operations = page('docs/operations.md');
const [, removal = ''] = /## Remove it\n\n```sh\n(.*?)```/s.exec(operations) ?? [];
const rest = /`(rm -r \/var\/lib\/\S+ \/var\/log\/\S+)`/.exec(operations)?.[1] ?? '';

test.serial(
  'what the page says removes it leaves what the page says stays, and in /run what goes with a reboot',
  async (t) => {
    await using node = await ScratchNode.start();
    await makeSbinWritable(node);
    await node.shell('rmdir /var/lib/kubelet');
    const files = () =>
      node.shell(
        `find /etc /home /var/lib /var/log /tmp /usr/sbin -xdev -path /var/lib/apt -prune -o -printf '%p %y %m\\n'`,
      );
    const [before, mounts] = [new Set((await files()).split('\n')), node.mountinfo().length];
    await node.shell(`${downloaded} install ${rootfsTar} --helpers; ${installedMounter} prepare
    ${installedMounter} exec -- rpcbind -w; ${installedMounter} disable; ${installedMounter} enable`);
    const commands = `PATH=$PATH:${installedMounter.replace(/\/mounter$/, '')}\n${removal}${rest}`;
    t.regex(commands, /--remove-helpers.*unit --remove.*teardown && rm -r.*rm -r \/var\/lib/s);
    await node.shell(commands);
    const left = (await files()).split('\n').filter((line) => !before.has(line));
    t.deepEqual(left, ['/home/kubernetes d 755', '/var/lib/kubelet d 750']);
    t.is(node.mountinfo().length, mounts);
    t.deepEqual(node.processes(), []);
  },
);
