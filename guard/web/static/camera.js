/** The camera and the microphone, and what to do where there is none. */

/** Whether this browser hands out cameras to this page at all. */
export const canOpen = () => Boolean(navigator.mediaDevices?.getUserMedia);

/** Opens a camera and a microphone, chosen ones where their ids are given; without a microphone, the camera. */
export async function openCamera({ camera, microphone } = {}) {
  const which = camera ? { deviceId: { exact: camera } } : { facingMode: "user" };
  const video = {
    width: { ideal: 1280 },
    height: { ideal: 720 },
    frameRate: { ideal: 30, max: 30 },
    ...which,
  };
  const audio = microphone ? { deviceId: { exact: microphone } } : true;
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio });
  } catch (error) {
    if (error.name !== "NotFoundError") throw error;
    return navigator.mediaDevices.getUserMedia({ video });
  }
}

/** Turns the light off. */
export function closeCamera(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** The cameras and microphones that can be chosen, once one was allowed. */
export async function devices() {
  const all = await navigator.mediaDevices.enumerateDevices();
  const of = (kind) => all.filter((device) => device.kind === kind && device.deviceId);
  return { cameras: of("videoinput"), microphones: of("audioinput") };
}

const TROUBLE = {
  NotAllowedError:
    "The camera was not allowed. Allow camera and microphone for this page (the sign beside the address), " +
    "then try again.",
  NotFoundError: "No camera was found. Connect one, then try again.",
  NotReadableError:
    "The camera cannot be used: another program may hold it. Close that program, then try again.",
  OverconstrainedError: "The chosen camera or microphone is gone. Choose another one.",
};

/** Why a camera did not open, and what helps. */
export function cameraTrouble(error) {
  return TROUBLE[error.name] ?? `The camera did not open (${error.name}). Try again, or use another browser.`;
}

export const NO_HTTPS =
  "This page was opened without HTTPS, and browsers hand out cameras to HTTPS pages only. " +
  "Open it with an address that begins with https://; whoever invited you knows it.";
