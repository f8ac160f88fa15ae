/** What went wrong with a request, for people who only want to join a call. */

const seconds = (milliseconds) => `${Math.max(1, Math.round(milliseconds / 1000))} s`;

/** A Problem in plain words; `ask` is whom to ask. */
export function explain(problem, ask) {
  switch (problem.status) {
    case 0:
      return `The service cannot be reached (${problem.message}). Is this device online?`;
    case 401:
      return `Your token is missing, wrong or has expired. Ask ${ask} for a new link.`;
    case 403:
      return `Your token is not for this, or not for this room. Ask ${ask} for another link.`;
    case 406:
      return "This browser offers no video that the service understands (VP8 or H.264). Use another browser.";
    case 503:
      return "The room or the service is full, or about to stop.";
    default:
      return `The service did not do this: ${problem.message}`;
  }
}

/** The line above a call while its connection is in this state (see KeptLeg). */
export function connectionWords(state, detail, ask) {
  switch (state) {
    case "connecting":
      return "Connecting…";
    case "connected":
      return "Connected";
    case "waiting": {
      const why = detail.problem ? explain(detail.problem, ask) : "The connection was lost.";
      return `${why} Trying again in ${seconds(detail.wait)}.`;
    }
    default:
      return explain(detail, ask);
  }
}
