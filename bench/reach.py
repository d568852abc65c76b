"""How clients, mirrors, routers and floors reach each other: as plain text, or in TLS."""

from pathlib import Path

from support.processes import free_port
from support.site import Mirror, Role, Router, Site, cluster, link
from support.tls import Certificates


class Plain:
    """What a Site listens with by itself."""

    name = ""
    floor_listens: dict = {}  # words for a floor
    floor_dials: dict = {}

    def client(self, site: Site) -> dict:
        """Words for the load client."""
        return {"server": site.bootstrap}

    def through(self, port: int) -> dict:
        return {"server": f"127.0.0.1:{port}"}

    def port(self, site: Site) -> int:
        return site.ports["CLIENT"]


PLAIN = Plain()


class Tls(Plain):
    """A listener for clients and one for those inside, beside the plain ones of the same broker;
    inside both sides show a certificate."""

    name = ", TLS"
    EDGE, INSIDE = "EDGE_TLS", "INSIDE_TLS"

    def __init__(self, directory: Path, *names: str):
        self.folder, self.names = directory / "tls", names
        self.certificates: Certificates | None = None
        self.floor_listens = self.pair(names[0])
        self.floor_dials = {"ca": self.folder / "ca.crt"}

    def make(self) -> None:
        """The certificates, before anything starts."""
        self.certificates = Certificates(self.folder, *self.names)

    def pair(self, name: str) -> dict:
        return {"certificate": self.folder / f"{name}.crt", "key": self.folder / f"{name}.key"}

    def client(self, site: Site) -> dict:
        return self.through(self.port(site))

    def through(self, port: int) -> dict:
        return super().through(port) | self.floor_dials

    def port(self, site: Site) -> int:
        return site.ports[self.EDGE]

    def give(self, role: Role) -> None:
        pair = self.pair(role.name)
        shown = {"certificate": str(pair["certificate"]), "key": {"file": str(pair["key"])}}
        role.config["tls"] = {"edge": shown,
                              "inside": {**shown, "ca": str(self.floor_dials["ca"])}}

    def listen(self, site: Site) -> None:
        """Before it starts."""
        self.give(site)
        for name, section, more in ((self.EDGE, "edge", {}), (self.INSIDE, "inside", {
                "for": ["brokers", "mirrors", "routers"]})):
            port = site.ports[name] = free_port()
            site.config["listeners"].append({
                "name": name, "bind": f"127.0.0.1:{port}",
                "advertised.listeners": f"127.0.0.1:{port}",
                "security.protocol": "SSL", "tls": section, **more})

    def end_at(self, site: Site) -> dict:
        return {"bootstrap.servers": f"127.0.0.1:{site.ports[self.INSIDE]}",
                "security.protocol": "SSL", "tls": "inside"}

    def mirror(self, directory: Path, name: str, source: Site, target: Site, **options) -> Mirror:
        ends = link(source, target, **options)
        ends |= {"source": self.end_at(source), "target": self.end_at(target)}
        made = Mirror(directory, name, {f"{source.name}-{target.name}": ends})
        self.give(made)
        return made

    def router(self, directory: Path, name: str, site: Site) -> Router:
        end = self.end_at(site)
        made = Router(directory, name,
                      {site.name: {**cluster(site), **end, "inside": end["bootstrap.servers"]}})
        self.give(made)
        made.config["virtual_cluster"] |= {"security.protocol": "SSL", "tls": "edge"}
        return made
