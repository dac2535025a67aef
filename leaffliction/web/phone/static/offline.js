/** The page on the device: installs the service worker. */

/**
 * Keep the page, and wait until it is kept.
 *
 * On the first visit this takes as long as the download; the rest of the page
 * then comes from the cache, and not over the network once more.
 *
 * @returns {Promise<boolean>} whether the page will work without a network:
 *   not where the browser has no service workers (a private window, or an
 *   address other than https: and localhost).
 */
export async function keepOffline() {
  const container = navigator.serviceWorker;
  if (!container) {
    return false;
  }
  try {
    const registration = await container.register("service_worker.js");
    if (!registration.active && registration.installing) {
      await settled(registration.installing);
    }
    // Else the browser may delete what it has kept when space gets scarce.
    navigator.storage?.persist?.();
    return Boolean(registration.active);
  } catch {
    return false;
  }
}

function settled(worker) {
  return new Promise((resolve) => {
    const check = () => {
      if (["activated", "redundant"].includes(worker.state)) {
        resolve();
      }
    };
    worker.addEventListener("statechange", check);
    check();
  });
}
