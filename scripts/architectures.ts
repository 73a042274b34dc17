import { ownArchitecture } from '../src/image/source/options.ts';
import { usageError } from './command-line.ts';

export { ownArchitecture };

/** What is built for: on a machine of either architecture for both of them, with Debian's cross compilers. */

export type Architecture = 'amd64' | 'arm64';

/** What an architecture is called by those who need to know. */
interface Names {
  /** Debian's multiarch triplet, and before the names of its cross tools. @see https://wiki.debian.org/Multiarch/Tuples */
  readonly triplet: string;
  /** Node's and bun's. */
  readonly runtime: string;
  /** The npm package with bun for it. */
  readonly bunPackage: string;
  /** Of QEMU's user mode emulation. */
  readonly emulator: string;
}

export const architectures: Readonly<Record<Architecture, Names>> = {
  amd64: {
    triplet: 'x86_64-linux-gnu',
    runtime: 'x64',
    bunPackage: '@oven/bun-linux-x64',
    emulator: 'qemu-x86_64-static',
  },
  arm64: {
    triplet: 'aarch64-linux-gnu',
    runtime: 'arm64',
    bunPackage: '@oven/bun-linux-aarch64',
    emulator: 'qemu-aarch64-static',
  },
};

/** The flag for scripts that build for one of them. */
export const architectureFlag = {
  '--architecture ARCH': { text: Object.keys(architectures).join(' or '), default: ownArchitecture },
} as const;

/** @throws MounterError (usage) for a word that is none. */
export function architectureOf(word: unknown): Architecture {
  const known = Object.keys(architectures).find((name) => name === word);
  if (known !== undefined) return known as Architecture;
  throw usageError('--architecture', `must be ${Object.keys(architectures).join(' or ')}`);
}

/** How programs for an architecture are compiled here. */
export interface Toolchain {
  /** Debian's packages. */
  readonly packages: readonly string[];
  /** The name of one of its programs, such as `gcc`. */
  tool(name: 'gcc' | 'nm' | 'strip'): string;
}

export function toolchainOf(architecture: Architecture): Toolchain {
  if (architecture === ownArchitecture)
    return { packages: ['gcc', 'libc6-dev', 'binutils'], tool: (name) => name };
  const { triplet } = architectures[architecture];
  const suffix = triplet.replace('_', '-');
  return {
    packages: [`gcc-${suffix}`, `libc6-dev-${architecture}-cross`, `binutils-${suffix}`],
    tool: (name) => `${triplet}-${name}`,
  };
}
