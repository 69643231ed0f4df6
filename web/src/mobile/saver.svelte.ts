// How often new numbers are asked for: a reader who pays for bytes may choose fewer.

import { load, save } from "../ui/stored"

export const PERIODS = [0, 5, 30] as const
/** Seconds between two updates; 0: each second. */
export type Period = (typeof PERIODS)[number]

class Saver {
  period: Period = $state.raw(PERIODS.find((each) => String(each) === load("saver")) ?? 0)

  choose(period: Period): void {
    this.period = period
    save("saver", String(period))
  }

  /** Updates a second. The server takes the next slower rhythm it has. */
  get hz(): number {
    return this.period === 0 ? 1 : 1.002 / this.period
  }

  /** How often a document may be read again whose own rhythm would be this, milliseconds. */
  every(milliseconds: number): number {
    return Math.max(milliseconds, this.period * 1_000)
  }
}

export const saver = new Saver()
