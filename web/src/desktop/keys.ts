// Keys that several pages know.

import { TIMEFRAMES, type Timeframe } from "../ui/chart_data"

/** Whether a key is meant for the page, and not for a field or the browser. */
export function isForPage(event: KeyboardEvent): boolean {
  const { target } = event
  const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement
  const aside = document.querySelector("dialog[open]") !== null
  return !typing && !aside && !event.defaultPrevented && !event.ctrlKey && !event.metaKey && !event.altKey
}

/** `1` to `4`: the timeframes of the chart. */
export function onTimeframeKey(event: KeyboardEvent, show: (timeframe: Timeframe) => void): void {
  const frame = TIMEFRAMES[Number(event.key) - 1]
  if (frame === undefined || !isForPage(event)) return
  event.preventDefault()
  show(frame)
}
