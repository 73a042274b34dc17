import test from 'ava';
import { debLines, securityLines, sourceOptions } from '../../../../scripts/debian/sources.ts';

const keyring = 'signed-by=/usr/share/keyrings/debian-archive-keyring.gpg';
const debian = { uri: 'http://mirror/debian/', suite: 'bookworm', options: [keyring] };
const updates = { ...debian, suite: 'bookworm-updates' };
const security = { uri: 'http://mirror/debian-security/', suite: 'bookworm-security', options: [] };
const foreign = { uri: 'https://vendor/apt', suite: 'vendor-bookworm', options: [] };

test("the machine's own release: its archives, and no others", (t) => {
  t.deepEqual(debLines([debian, debian, updates, security, foreign], 'bookworm', 'bookworm'), [
    `deb [${keyring}] http://mirror/debian/ bookworm main`,
    `deb [${keyring}] http://mirror/debian/ bookworm-updates main`,
    'deb http://mirror/debian-security/ bookworm-security main',
  ]);
});

test('another release: the same mirrors with its name', (t) => {
  t.deepEqual(debLines([debian, security], 'bookworm', 'trixie'), [
    `deb [${keyring}] http://mirror/debian/ trixie main`,
    'deb http://mirror/debian-security/ trixie-security main',
  ]);
});

test('sid has no updates and no security archive', (t) => {
  const lines = debLines([debian, updates, security], 'bookworm', 'sid');
  t.deepEqual(lines, [`deb [${keyring}] http://mirror/debian/ sid main`]);
});

test('a machine without its security archive: where the mirror has it beside the main one', (t) => {
  const lines = debLines([debian, updates], 'bookworm', 'bookworm');
  t.deepEqual(securityLines(lines, 'bookworm'), [
    `deb [${keyring}] http://mirror/debian-security/ bookworm-security main`,
  ]);
  t.deepEqual(securityLines(debLines([debian, security], 'bookworm', 'trixie'), 'trixie'), []);
  t.deepEqual(securityLines(debLines([debian], 'bookworm', 'sid'), 'sid'), []);
  t.deepEqual(securityLines(['deb http://mirror/other bookworm main'], 'bookworm'), []);
});

test('a source named by a rolling suite counts', (t) => {
  t.deepEqual(debLines([{ ...debian, suite: 'stable', options: [] }], 'bookworm', 'bookworm'), [
    'deb http://mirror/debian/ bookworm main',
  ]);
});

const stanzas = `# a comment

Types: deb
URIs: http://mirror/debian
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror/other
Trusted: yes
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
`;

test('a .sources entry is a stanza, counted from 1', (t) => {
  t.deepEqual(sourceOptions(stanzas, '/etc/apt/sources.list.d/debian.sources', 1), [keyring]);
  t.deepEqual(sourceOptions(stanzas, '/etc/apt/sources.list.d/debian.sources', 2), ['trusted=yes']);
});

test('a .list entry is a line, counted from 1', (t) => {
  const text = `# mirrors\ndeb [arch=amd64 ${keyring}] http://mirror/debian bookworm main\ndeb http://mirror/x bookworm main\n`;
  t.deepEqual(sourceOptions(text, '/etc/apt/sources.list', 2), [keyring]);
  t.deepEqual(sourceOptions(text, '/etc/apt/sources.list', 3), []);
});
