"""One attempt at a renewal: ask Lightsail, ask the registry, take the better credential."""

from __future__ import annotations

from msgspec import Struct

from lightkeeper.core.answer import Believed, Refusal, Verdict, believe, is_not_newer
from lightkeeper.core.credential import Credential
from lightkeeper.core.moment import iso
from lightkeeper.core.policy import call_deadline, verify_deadline
from lightkeeper.core.reasons import Reason
from lightkeeper.ports import Clock, Issuer, Verifier


class Proven(Struct, frozen=True, kw_only=True):
    """A new credential that is to be held from now on."""

    believed: Believed
    verdict: Verdict | None
    """What the registry said of it; None where it is not asked."""


class Source(Struct, frozen=True, kw_only=True):
    """Where one login's credentials come from, and who says what they are worth."""

    issuer: Issuer
    endpoint: str | None
    """The configured endpoint URL: an answer may name its host as the registry."""
    verifier: Verifier
    clock: Clock

    async def renew(self, held: Credential | None, *, verify: bool) -> Proven | Refusal:
        """Try once to get a credential that is better than `held`.

        Over a held one that lives, one that expires later is better, unless the registry refuses
        it alone; one that does not is, if the registry takes it alone.
        """
        answer = await self.issuer.issue(call_deadline(held))
        believed = answer if isinstance(answer, Refusal) else believe(answer, self.endpoint)
        if isinstance(believed, Refusal):
            return believed
        new, now = believed.credential, believed.clock.now(self.clock.now())
        living = held if held is not None and not held.is_expired(now) else None
        if living and is_not_newer(new, living):
            if verify and await self._takes_only(new, living):
                return Proven(believed=believed, verdict=Verdict.ACCEPTED)
            detail = f"it expires at {iso(new.expires_at)}, no later than ours"
            return Refusal(reason=Reason.NOT_NEWER, detail=detail)
        if not verify:
            return Proven(believed=believed, verdict=None)
        verdict = await self.ask(new)
        if living and verdict is Verdict.REJECTED:
            opinion = await self.ask(living)
            if opinion is not Verdict.REJECTED:
                took = opinion is Verdict.ACCEPTED
                said = " and took the one in use" if took else "; of the one in use it said nothing"
                detail = f"{new.registry} refused the new login{said}"
                return Refusal(reason=Reason.REGISTRY_REJECTED, detail=detail)
        return Proven(believed=believed, verdict=verdict)

    async def _takes_only(self, new: Credential, living: Credential) -> bool:
        """Whether the registry takes `new`, and `living` no more."""
        if await self.ask(living) is not Verdict.REJECTED:
            return False
        return await self.ask(new) is Verdict.ACCEPTED

    async def ask(self, credential: Credential) -> Verdict:
        """Whether the registry takes `credential`."""
        return await self.verifier.verify(credential, verify_deadline(credential.lifetime))
