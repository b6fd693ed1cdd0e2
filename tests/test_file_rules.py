"""What a writer of Docker config files has to get right, numbered, and which test holds it.

What the clients do was measured with the clients. A test bears the numbers of its rules at the end
of its name, as in `..._6_41`; those of modules that know nothing of files are named here. What is
about credential helpers has numbers too (36 to 40) and comes with the helpers; 54, a change of
owner by root, is not done at all.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

RULES = {
    1: "missing directories are made, for the user alone",
    2: "a missing file is made, for the user alone",
    3: "an empty file counts as one without entries",
    4: "the file is never empty, not even for a moment: pushes would be anonymous",
    5: "a byte order mark, which no client can read, is taken off",
    6: "what is not JSON is never overwritten",
    7: "something behind the object is malformed: some clients refuse it",
    8: "NaN and Infinity are malformed: only Python reads them",
    9: "bytes that are not UTF-8 survive",
    10: "a document that is null is empty, one that is no object malformed",
    11: "auths is made if missing or null, and malformed if of another type",
    12: "auths in another case, which some clients read, is folded into one",
    13: "of several auths none is lost: clients merge them",
    14: "of two entries for a host the last counts, and one is left",
    15: "an entry of ours that is null, empty or no object is replaced",
    16: "a broken entry of somebody else stays, and is told",
    17: "a section of a wrong type stays, and is told",
    18: "a huge file is left alone",
    19: "deep nesting is malformed, and no crash",
    20: "the key is in lower case: lookups are exact",
    21: "the key is the bare host, however it came",
    22: "an IPv6 literal is no registry of ours",
    23: "other spellings of our host go: clients take any, by chance",
    24: "an entry for the repository is renewed, one for another path told",
    25: "a foreign credential for our host is replaced, when that is asked for",
    26: "what is there already is not written again, and counts as success",
    27: "an expired entry stays while there is nothing better: none would be worse",
    28: "an entry has no field of ours: the expiry is kept in the state",
    29: "a password may be as long as it likes",
    30: "and of any alphabet",
    31: "but has no control character: it would break the header",
    32: "a user name has no colon: clients split at the first",
    33: "several registries are written at once",
    34: "two paths to one file are one file",
    35: "the entry of a former registry goes if we wrote it",
    41: "a link stays, and its target is replaced from beside it",
    42: "a relative link leads from where it is",
    43: "a dangling link has its target made, but no directory",
    44: "links in a circle are refused",
    45: "a linked directory is fine, but leads root to nothing of others",
    46: "what is no regular file is refused, and never waited for",
    47: "what may not be written is told, and stays",
    48: "a file that is mounted alone is told; written in place if asked, without emptying it",
    49: "a mounted file that was replaced outside is told",
    50: "a full or failing disk leaves the old file; synced before the rename, the name after",
    51: "of what a crash left only ours is removed",
    52: "a new file is nobody else's before it has content",
    53: "a mode is kept, and told if it is wide",
    55: "a file of another owner, or group that would be shut out, is left alone",
    56: "a hard link is broken as by all clients, and that is told",
    57: "ACL and attributes are taken over as far as possible",
    58: "on NFS, where names cannot be swapped, a second look comes before the rename",
    59: "without a home there is no guess at a path",
    60: "a path is expanded once",
    61: "an edit at the same moment is kept",
    62: "an entry that a logout removed comes back within seconds",
    63: "what podman strips from a config beside the entries is told",
    64: "time is told by clocks that a suspend cannot fool",
    65: "keys keep their order, unknown ones included",
    66: "numbers keep their spelling",
    67: "indent and final newline are kept, lines end in line feeds",
    68: "nothing is escaped anew",
    69: "nothing of a document gets into messages and exceptions",
}

_CONFIG = "core/test_docker_config.py"
_JSON = "core/test_json_document.py"
_CREDENTIAL = "core/test_credential.py"
_KEPT_BYTES = (_CONFIG, "test_whatever_is_not_ours_comes_out_byte_for_byte")

ELSEWHERE = {
    3: (_CONFIG, "test_an_absent_or_empty_document_gets_dockers_own_layout"),
    5: (_CONFIG, "test_a_byte_order_mark_is_taken_off_even_if_nothing_else_changes"),
    8: (_JSON, "test_constants_that_only_python_knows_are_malformed"),
    9: _KEPT_BYTES,
    10: (_JSON, "test_nothing_and_null_are_an_empty_object"),
    12: (_CONFIG, "test_what_docker_reads_as_auths_is_made_one"),
    13: (_CONFIG, "test_what_docker_reads_as_auths_is_made_one"),
    14: (_CONFIG, "test_of_our_entries_one_is_left"),
    15: (_CONFIG, "test_an_entry_of_ours_that_is_none_is_replaced"),
    16: (_CONFIG, "test_a_broken_foreign_entry_is_left_and_told"),
    17: (_CONFIG, "test_a_section_of_a_wrong_type_is_left_and_told"),
    19: (_JSON, "test_what_is_nested_too_deeply_is_malformed"),
    20: (_CREDENTIAL, "test_a_registry_is_reduced_to_its_bare_host"),
    21: (_CREDENTIAL, "test_a_registry_is_reduced_to_its_bare_host"),
    22: (_CREDENTIAL, "test_what_is_no_plain_host_is_refused"),
    23: (_CONFIG, "test_an_alias_of_our_host_is_removed"),
    24: (_CONFIG, "test_an_entry_for_the_repository_is_renewed_as_well"),
    27: ("core/test_plan_places.py", "test_an_expired_credential_is_delivered_nowhere"),
    28: (_CONFIG, "test_every_other_field_of_our_entry_is_dropped"),
    29: (_CONFIG, "test_a_password_of_any_length_and_alphabet_is_read_back"),
    30: (_CONFIG, "test_a_password_of_any_length_and_alphabet_is_read_back"),
    31: (_CREDENTIAL, "test_a_password_that_no_client_could_send_is_refused"),
    32: (_CREDENTIAL, "test_a_username_that_no_client_could_send_is_refused"),
    58: ("test_files.py", "test_where_there_is_no_swap_it_is_a_rename_after_a_second_look"),
    59: ("config/test_environment.py", "test_a_default_that_cannot_be_had_is_said_as_what_it_is"),
    60: (
        "config/test_environment.py",
        "test_a_path_is_expanded_once_and_a_directory_means_its_file",
    ),
    62: (
        "core/test_place.py",
        "test_an_entry_that_is_taken_out_is_put_back_at_once_however_often",
    ),
    64: ("core/test_plan.py", "test_a_renewal_is_due_as_soon_as_the_boot_clock_says_so"),
    65: (_CONFIG, "test_keys_keep_their_order"),
    66: _KEPT_BYTES,
    67: (_CONFIG, "test_indent_and_final_newline_are_kept"),
    68: _KEPT_BYTES,
    69: (_JSON, "test_nothing_of_the_document_hangs_on_to_the_exception"),
}

_BORNE = re.compile(r"_6_(\d+)")


def names_in(path: Path) -> list[str]:
    return [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:5] == "test_"
    ]


@cache
def borne() -> set[int]:
    """The numbers that tests bear in their names."""
    paths = [path for path in TESTS.rglob("test_*.py") if "simulator" not in path.parts]
    names = [name for path in paths for name in names_in(path)]
    return {int(number) for name in names for number in _BORNE.findall(name)}


@pytest.mark.parametrize(("number", "rule"), RULES.items())
def test_each_rule_is_held_by_a_test(number: int, rule: str) -> None:
    assert number in borne() | set(ELSEWHERE), rule


def test_no_number_is_borne_that_no_rule_has() -> None:
    assert borne() | set(ELSEWHERE) <= set(RULES)
    assert set(RULES) == set(range(1, 70)) - {36, 37, 38, 39, 40, 54}


@pytest.mark.parametrize(("path", "name"), sorted(set(ELSEWHERE.values())))
def test_each_test_that_is_named_here_is_there(path: str, name: str) -> None:
    assert name in names_in(TESTS / path)
