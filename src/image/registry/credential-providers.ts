import { readdirSync, statSync } from 'node:fs';
import * as v from 'valibot';
import { parse } from 'yaml';
import { MounterError } from '../../errors.ts';
import { exitCode } from '../../exit-codes.ts';
import { readText } from '../../host/read-text.ts';
import { about } from '../../host/system-error.ts';
import { jsonOrUndefined } from '../../json.ts';
import { askProgram } from './ask-program.ts';
import type { CredentialSource, Credentials } from './keyring.ts';
import { fit } from './match.ts';

/**
 * kubelet's credential providers: programs that a configuration names, and that say on stdout who to be for an image.
 *
 *     apiVersion: kubelet.config.k8s.io/v1
 *     kind: CredentialProviderConfig
 *     providers:
 *       - name: ecr-credential-provider
 *         matchImages: ["*.dkr.ecr.*.example"]
 *         defaultCacheDuration: 12h
 *         apiVersion: credentialprovider.kubelet.k8s.io/v1
 *
 * @see https://kubernetes.io/docs/tasks/administer-cluster/kubelet-credential-provider
 */

/** Where they are: kubelet's `--image-credential-provider-config` and `--image-credential-provider-bin-dir`. */
export interface ProviderFiles {
  /** A file, or a directory of such. */
  readonly config: string;
  readonly programs: string;
}

/** Of Go's time.ParseDuration: `1h30m`, `90s`, `0`. */
const duration = v.pipe(
  v.string(),
  v.regex(/^(0|(\d+(\.\d+)?(h|m|s|ms|us|µs|ns))+)$/, 'must be a duration such as 12h'),
  v.transform((text) =>
    [...text.matchAll(/([\d.]+)(h|ms|m|s)/g)].reduce(
      (sum, [, number, unit]) => sum + Number(number) * (unitMs[unit ?? ''] ?? 0),
      0,
    ),
  ),
);
const unitMs: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

const providerSchema = v.object({
  name: v.pipe(
    v.string(),
    v.regex(/^(?!\.{1,2}$)[^/\s]+$/, 'must be the name of a program in the directory'),
  ),
  matchImages: v.pipe(v.array(v.string()), v.minLength(1, 'must name an image')),
  defaultCacheDuration: duration,
  apiVersion: v.pipe(v.string(), v.regex(/^credentialprovider\.kubelet\.k8s\.io\/v1(alpha1|beta1)?$/)),
  args: v.nullish(v.array(v.string()), []),
  env: v.nullish(v.array(v.object({ name: v.string(), value: v.string() })), []),
  tokenAttributes: v.nullish(v.object({ requireServiceAccount: v.nullish(v.boolean()) })),
});
type Provider = v.InferOutput<typeof providerSchema>;

const configSchema = v.object({
  apiVersion: v.pipe(v.string(), v.regex(/^kubelet\.config\.k8s\.io\/v1(alpha1|beta1)?$/)),
  kind: v.literal('CredentialProviderConfig'),
  providers: v.array(providerSchema),
});

const replySchema = v.object({
  kind: v.literal('CredentialProviderResponse'),
  apiVersion: v.string(),
  cacheKeyType: v.picklist(['Image', 'Registry', 'Global']),
  cacheDuration: v.nullish(duration),
  auth: v.nullish(v.record(v.string(), v.object({ username: v.string(), password: v.string() })), {}),
});
type Reply = v.InferOutput<typeof replySchema>;

/** kubelet's own limit. */
const limitMs = 60_000;

/** The providers of a configuration, and what each has said, for as long as it says that this holds. */
export class CredentialProviders {
  readonly #providers: readonly Provider[];
  readonly #programs: string;
  readonly #known = new Map<string, { readonly reply: Reply; readonly until: number }>();
  readonly #now: () => number;

  /** @throws MounterError (usage) for a configuration that kubelet would not take, which quotes no values of it. */
  constructor({ config, programs }: ProviderFiles, now: () => number = Date.now) {
    this.#providers = filesOf(config).flatMap(readConfig);
    this.#programs = programs;
    this.#now = now;
  }

  /** Those for an image that needs no ServiceAccount of a Pod: there is no Pod here. */
  sourcesFor(host: string, repository: string): readonly CredentialSource[] {
    return this.#providers.flatMap((provider) => {
      const fits = provider.matchImages.flatMap((name) => fit(name, host, repository) ?? []);
      if (fits.length === 0 || provider.tokenAttributes?.requireServiceAccount === true) return [];
      const origin = `the credential provider ${provider.name}`;
      return [{ origin, fit: Math.max(...fits), ask: () => this.#credentials(provider, host, repository) }];
    });
  }

  async #credentials(provider: Provider, host: string, repository: string): Promise<readonly Credentials[]> {
    const { auth } = await this.#reply(provider, host, repository);
    const found = Object.entries(auth ?? {}).flatMap(([name, login]) => {
      const fits = fit(name, host, repository);
      return fits === undefined ? [] : [{ fits, login }];
    });
    const sorted = found.toSorted((a, b) => b.fits - a.fits);
    return sorted.map(({ login }) => ({ kind: 'password', user: login.username, password: login.password }));
  }

  async #reply(provider: Provider, host: string, repository: string): Promise<Reply> {
    const image = `${host}/${repository}`;
    const keys = [`Image ${image}`, `Registry ${host}`, 'Global'].map((key) => `${provider.name} ${key}`);
    const known = keys
      .map((key) => this.#known.get(key))
      .find((one) => one !== undefined && one.until > this.#now());
    if (known !== undefined) return known.reply;
    const reply = await ask(provider, `${this.#programs}/${provider.name}`, image);
    const until = this.#now() + (reply.cacheDuration ?? provider.defaultCacheDuration);
    const key = keys[['Image', 'Registry', 'Global'].indexOf(reply.cacheKeyType)];
    if (key !== undefined) this.#known.set(key, { reply, until });
    return reply;
  }
}

async function ask({ apiVersion, args, env }: Provider, program: string, image: string): Promise<Reply> {
  const input = JSON.stringify({ kind: 'CredentialProviderRequest', apiVersion, image });
  const variables = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
  const answer = await askProgram([program, ...(args ?? [])], { input, limitMs, env: variables });
  if ('why' in answer) throw providerError(program, answer.why);
  if (answer.status !== 0) throw providerError(program, `failed with status ${answer.status}`);
  const reply = v.safeParse(replySchema, jsonOrUndefined(answer.stdout));
  if (!reply.success || reply.output.apiVersion !== apiVersion)
    throw providerError(program, `answered with no CredentialProviderResponse of ${apiVersion}`);
  return reply.output;
}

function providerError(subject: string, message: string): MounterError {
  return new MounterError(message, {
    subject,
    status: exitCode.system,
    hint: 'run it by hand, with {"kind": "CredentialProviderRequest", …} on stdin; or leave out --image-credential-provider-config',
  });
}

/** As kubelet reads a directory: by name, whatever is YAML or JSON by its name. */
function filesOf(config: string): readonly string[] {
  if (about(config, () => statSync(config)).isDirectory() === false) return [config];
  const names = readdirSync(config).filter((name) => /\.(json|yaml|yml)$/.test(name));
  return names.sort().map((name) => `${config}/${name}`);
}

function readConfig(file: string): readonly Provider[] {
  const result = v.safeParse(
    configSchema,
    yamlOf(
      about(file, () => readText(file)),
      file,
    ),
  );
  if (result.success) return result.output.providers;
  const [issue] = result.issues;
  throw badConfig(file, `${v.getDotPath(issue) ?? 'the whole file'}: is not what it should be`);
}

/** The parser's own message would quote the text. */
function yamlOf(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch {
    throw badConfig(file, 'is neither YAML nor JSON');
  }
}

function badConfig(subject: string, message: string): MounterError {
  return new MounterError(message, {
    subject,
    status: exitCode.usage,
    hint: "name kubelet's own CredentialProviderConfig with --image-credential-provider-config",
  });
}
