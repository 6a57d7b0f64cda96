// A button that copies the URL of the page, which contains all selections.

const SHOWN_MS = 2000; // how long the button confirms that the link was copied

export default function ({ parentElement }) {
  const button = parentElement.querySelector("button");
  button.onclick = async () => {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Link copied";
    } catch { // the browser allows access to the clipboard only on secure pages
      window.prompt("Copy this link:", location.href);
    }
    setTimeout(() => (button.textContent = label), SHOWN_MS);
  };
}
