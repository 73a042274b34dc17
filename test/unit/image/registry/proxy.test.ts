import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import { proxyFor } from '../../../../src/image/registry/proxy.ts';

const proxy = 'http://proxy.example:3128';

const variables: Readonly<
  Record<string, readonly [environment: Record<string, string>, url: string, href: string | undefined]>
> = {
  none: [{}, 'https://r.example/', undefined],
  'for https': [{ HTTPS_PROXY: proxy }, 'https://r.example/', `${proxy}/`],
  'for https, in small letters': [{ https_proxy: proxy }, 'https://r.example/', `${proxy}/`],
  'for https, asked by http': [{ HTTPS_PROXY: proxy }, 'http://r.example/', undefined],
  'for http': [{ HTTP_PROXY: proxy }, 'http://r.example/', `${proxy}/`],
  'for http, asked by https': [{ http_proxy: proxy }, 'https://r.example/', undefined],
  'capitals count': [
    { HTTPS_PROXY: proxy, https_proxy: 'http://no.example' },
    'https://r.example/',
    `${proxy}/`,
  ],
  'empty capitals do not': [{ HTTPS_PROXY: '', https_proxy: proxy }, 'https://r.example/', `${proxy}/`],
  'for all, which Go does not know': [
    { ALL_PROXY: proxy, all_proxy: proxy },
    'https://r.example/',
    undefined,
  ],
  'without a scheme': [
    { HTTPS_PROXY: 'me:secret@proxy.example:1' },
    'https://r.example/',
    'http://me:secret@proxy.example:1/',
  ],
  'by TLS': [{ HTTPS_PROXY: 'https://proxy.example' }, 'https://r.example/', 'https://proxy.example/'],
  'for a name of this machine': [{ HTTPS_PROXY: proxy }, 'https://localhost:5000/', undefined],
  'for an address of this machine': [{ HTTP_PROXY: proxy }, 'http://127.9.9.9:5000/', undefined],
  "for this machine's IPv6 address": [{ HTTP_PROXY: proxy }, 'http://[::1]:5000/', undefined],
};
for (const [what, [environment, url, href]] of Object.entries(variables))
  test(`proxies: ${what}`, (t) => {
    t.is(proxyFor(new URL(url), environment)?.url.href, href);
  });

/** What is asked without a proxy, and what with one. */
const noProxy: Readonly<Record<string, readonly [direct: readonly string[], proxied: readonly string[]]>> = {
  '': [[], ['r.example']],
  '*': [['r.example', '10.0.0.1', '[2001:db8::1]'], []],
  'other.example, *': [['r.example'], []],
  'r.example': [
    ['r.example', 'a.r.example', 'R.example:5000'],
    ['xr.example', 'example', 'r.example.org'],
  ],
  ' R.EXAMPLE ,x': [['r.example'], ['y']],
  '.r.example': [['a.r.example'], ['r.example', 'ar.example']],
  '*.r.example': [['a.r.example', 'b.a.r.example'], ['r.example']],
  'r.example:5000': [
    ['r.example:5000', 'a.r.example:5000'],
    ['r.example', 'r.example:5001'],
  ],
  'r.example:443': [['r.example'], ['r.example:5000']],
  '10.0.0.0/8': [
    ['10.1.2.3', '10.1.2.3:5000'],
    ['11.0.0.1', 'r.example'],
  ],
  '10.9.9.9/8': [['10.1.2.3'], ['11.0.0.1']],
  '10.0.0.0/33,10.0.0.0/x': [[], ['10.0.0.2']],
  '10.1.2.3': [
    ['10.1.2.3', '10.1.2.3:5000'],
    ['10.1.2.30', 'x.10.1.2.3.example'],
  ],
  '10.1.2.3:5000': [['10.1.2.3:5000'], ['10.1.2.3']],
  '2001:db8::/32': [['[2001:db8::1]:5000'], ['[2001:db9::1]']],
  '2001:db8::1,[2001:db8::2]:5000': [['[2001:db8::1]', '[2001:db8::2]:5000'], ['[2001:db8::2]']],
  ',,:443,.': [[], ['r.example', '10.0.0.1']],
};
for (const [words, [direct, proxied]] of Object.entries(noProxy))
  test(`NO_PROXY=${words}`, (t) => {
    for (const name of ['NO_PROXY', 'no_proxy']) {
      const by = (host: string) =>
        proxyFor(new URL(`https://${host}/v2/`), { HTTPS_PROXY: proxy, [name]: words });
      for (const host of direct) t.is(by(host), undefined, host);
      for (const host of proxied) t.is(by(host)?.variable, 'HTTPS_PROXY', host);
    }
  });

test('a proxy that cannot be used: which variable, and nothing of what is in it', (t) => {
  for (const [value, message] of [
    ['socks5://me:secret@proxy.example', 'names a proxy of the kind socks5://'],
    ['http://me:secret@a b', 'names no URL'],
  ] as const) {
    const find = () => proxyFor(new URL('https://r.example'), { https_proxy: value });
    const error = t.throws(find, { instanceOf: MounterError, message });
    t.is(error.subject, 'https_proxy');
    t.notRegex(`${error.message} ${error.hint} ${error.cause ?? ''}`, /secret/);
  }
});
