// What signals and their statistics say, in words. A rate never stands without its denominator.

import { number, signed } from "../../ui/format"
import type { CountedMean, CountedRate, SignalFee, SignalRecord } from "../../wire/types"

const OUTCOMES: Readonly<Record<string, string>> = {
  stop: "at the stop", last_target: "at the last target", expired: "time over",
  direction_left: "direction left", reversed: "reversed", lost_data: "data lost",
}

/** `active`, `confirmed, 1 of 3 targets`, `closed: direction left`. */
export function stateText(signal: SignalRecord): string {
  if (signal.outcome !== null) return `${signal.state}: ${OUTCOMES[signal.outcome] ?? signal.outcome}`
  const left = signal.left_at === null ? "" : ", direction left"
  const hit = signal.targets_hit === 0 ? "" : `, ${signal.targets_hit} of ${signal.targets.length} targets`
  return signal.state + hit + left
}

/** `12 of 40: 30 % [18, 45]`, or the count alone while there are too few. */
export function rateText(rate: CountedRate): string {
  const counted = `${rate.hits} of ${rate.n}`
  if (rate.rate === null || rate.low === null || rate.high === null) return `${counted}: too few`
  return `${counted}: ${number(100 * rate.rate, 0)} % [${number(100 * rate.low, 0)}, ${number(100 * rate.high, 0)}]`
}

/** `+0.12 [−0.10, +0.34], n = 40`. */
/** What was taken off a result, and whose fee that is. */
export function feeText(fee: SignalFee): string {
  if (fee.taker_percent === null) return "No fee of this venue is known"
  return `After ${fee.taker_percent} % each way, ${fee.source ?? "of nobody"}; without spread, slippage and funding`
}

export function meanText(mean: CountedMean): string {
  if (mean.reason === "no_feed") return "no fee known"
  if (mean.mean === null || mean.low === null || mean.high === null) return `too few, n = ${mean.n}`
  return `${signed(mean.mean, 2)} [${signed(mean.low, 2)}, ${signed(mean.high, 2)}], n = ${mean.n}`
}
