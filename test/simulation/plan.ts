/** What may happen in a history, and how often. Each plan leaves out what would hide, or excuse, what it looks for. */
export interface Plan {
  readonly name: string
  /** Weights of what a step does. */
  readonly acts: Readonly<Partial<Record<Act, number>>>
  /** For each operation of the store: lost on its way, its reply lost, executed after it was given up, or slow. */
  readonly fates: { readonly lose: number; readonly loseReply: number; readonly late: number; readonly slow: number }
  /** Published messages that are lost. */
  readonly newsLost: number
  readonly takeOver: 'restart' | 'continue' | 'fail'
  /** Feeds look at the store when they hear nothing. */
  readonly repairs: boolean
  /** What must not come of this plan's faults. */
  readonly never: readonly ('reset' | 'take-over' | 'lost-message' | 'uncancelled' | 're-open')[]
}

export type Act =
  | 'send'
  | 'send-twice'
  | 'cancel'
  | 'emit'
  | 'finish'
  | 'break-provider'
  | 'wait'
  | 'wait-lease'
  | 'drop-socket'
  | 'break-link'
  | 'pause-node'
  | 'resume-node'
  | 'kill-node'
  | 'start-node'
  | 'store-away'
  | 'store-back'
  | 'flap'
  | 'roll-back'
  | 'step-clock'
  | 'deliver-late'

const life = {
  send: 8,
  'send-twice': 4,
  cancel: 1,
  emit: 24,
  finish: 5,
  'break-provider': 1,
  wait: 10,
  'deliver-late': 8,
}
const links = { 'drop-socket': 4, 'break-link': 3 }
const nodes = { 'kill-node': 1.5, 'start-node': 4, 'pause-node': 1.5, 'resume-node': 4, 'wait-lease': 3 }
const outages = { 'store-away': 1.5, 'store-back': 4, 'wait-lease': 3 }
const rollBacks = { 'roll-back': 2, 'step-clock': 0.5 }

const someFates = { lose: 0.03, loseReply: 0.04, late: 0.03, slow: 0.1 }
const calm = { lose: 0, loseReply: 0, late: 0, slow: 0.1 }

export const plans = {
  /** Everything at once. */
  all: {
    name: 'all',
    acts: { ...life, ...links, ...nodes, ...outages, ...rollBacks },
    fates: someFates,
    newsLost: 0.05,
    takeOver: 'restart',
    repairs: true,
    never: [],
  },
  /** A store that travels back in time, with producers that sleep and wake. */
  rolledBack: {
    name: 'rolled back',
    acts: { ...life, ...nodes, ...rollBacks, 'roll-back': 5, 'pause-node': 3, 'break-link': 1 },
    fates: calm,
    newsLost: 0,
    takeOver: 'restart',
    repairs: true,
    never: [],
  },
  /** The same under clients that come and go: what they have seen is no longer, and its numbers are given anew. */
  returning: {
    name: 'returning',
    acts: { ...life, send: 10, emit: 10, finish: 12, 'drop-socket': 6, 'break-link': 3, 'roll-back': 8 },
    fates: calm,
    newsLost: 0,
    takeOver: 'restart',
    repairs: true,
    never: [],
  },
  /** The same, going on with what a dead producer left. */
  continued: {
    name: 'continued',
    acts: { ...life, ...links, ...nodes, ...rollBacks, 'kill-node': 4, 'pause-node': 3 },
    fates: someFates,
    newsLost: 0.03,
    takeOver: 'continue',
    repairs: true,
    never: [],
  },
  /** Nodes die and links break, and the store keeps what it has. */
  faithful: {
    name: 'faithful',
    acts: { ...life, ...links, ...nodes },
    fates: someFates,
    newsLost: 0.05,
    takeOver: 'restart',
    repairs: true,
    never: ['reset', 'lost-message', 'uncancelled'],
  },
  /** Only the store and the links fail: nobody takes a living producer's turn. */
  outages: {
    name: 'outages',
    acts: { ...life, ...links, ...outages },
    fates: { ...someFates, late: 0.01 },
    newsLost: 0.05,
    takeOver: 'restart',
    repairs: true,
    never: ['reset', 'take-over', 'lost-message', 'uncancelled'],
  },
  /** Short answers, and acceptances that are told twice: replies are lost, and every device has the message to send. */
  repeated: {
    name: 'repeated',
    acts: { ...life, 'send-twice': 12, emit: 6, finish: 16, 'drop-socket': 2 },
    fates: { lose: 0.01, loseReply: 0.2, late: 0.01, slow: 0.1 },
    newsLost: 0.03,
    takeOver: 'restart',
    repairs: true,
    never: ['reset', 'take-over', 'lost-message', 'uncancelled'],
  },
  /** A store that goes and comes, again and again: what was suspected before it went proves nothing after. */
  flapping: {
    name: 'flapping',
    acts: { ...life, cancel: 0, 'store-away': 4, 'store-back': 4, flap: 12, 'wait-lease': 4 },
    fates: calm,
    newsLost: 0,
    takeOver: 'restart',
    repairs: true,
    never: ['reset', 'take-over', 'lost-message'],
  },
  /** Nothing is lost and nothing looks again by itself: who is subscribed has all of it. */
  unrepaired: {
    name: 'unrepaired',
    acts: { ...life, ...links, 'drop-socket': 6, 'break-link': 4 },
    fates: { ...calm, slow: 0.25 },
    newsLost: 0,
    takeOver: 'restart',
    repairs: false,
    never: ['reset', 'take-over', 'lost-message', 'uncancelled'],
  },
} as const satisfies Record<string, Plan>

export type PlanName = keyof typeof plans

/** The plan without faults on the way to the store. */
export function restful(plan: Plan): Plan {
  return { ...plan, fates: { lose: 0, loseReply: 0, late: 0, slow: 0 }, newsLost: 0 }
}
