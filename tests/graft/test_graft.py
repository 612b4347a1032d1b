# SPDX-License-Identifier: GPL-2.0-or-later
"""The graft: tokens, functions, seam files, and that it is all or nothing."""

import contextlib
import io
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

CHECKOUT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(CHECKOUT / "scripts"))

import graft  # noqa: E402
import seam_commands  # noqa: E402
from c_tokens import Extent, Tokens, digest  # noqa: E402
from errors import SetupFailed  # noqa: E402


def sources(text: str) -> dict[str, str]:
    """The functions that the finder sees in a C text, by name."""
    tokens = Tokens(text)
    return {found.name: tokens.source(found.extent) for found in tokens.functions()}


class TokensTest(unittest.TestCase):
    def test_space_and_comments_do_not_count(self):
        for text in ("a+=b;", "a /* x */ +=\n\tb ; // y", "a \\\n += b;"):
            with self.subTest(text=text):
                self.assertEqual(Tokens(text).texts, ["a", "+=", "b", ";"])

    def test_strings_and_characters_are_one_token(self):
        text = r'''f("a /* b \" */", '\'', L"w", '"');'''
        self.assertEqual(
            Tokens(text).texts,
            ["f", "(", r'"a /* b \" */"', ",", r"'\''", ",", 'L"w"', ",", "'\"'"]
            + [")", ";"],
        )

    def test_numbers_and_operators(self):
        self.assertEqual(
            Tokens("x->y<<=0x1fULL+1.5e-3...").texts,
            ["x", "->", "y", "<<=", "0x1fULL", "+", "1.5e-3..."],
        )
        self.assertEqual(Tokens("a##b<=c--").texts, ["a", "##", "b", "<=", "c", "--"])

    def test_a_directive_ends_with_its_line(self):
        tokens = Tokens("#define F(x) \\\n  { x\n  # undef G /* \n */ H\nint y;")
        words = [
            word for word, inside in zip(tokens.texts, tokens.directives) if inside
        ]
        self.assertEqual(words, "# define F ( x ) { x # undef G H".split())

    def test_generic_comments(self):
        tokens = Tokens("# c\nfiles('a#b.c', # x\n  \"d\")", "generic")
        self.assertEqual(tokens.texts, ["files", "(", "'a#b.c'", ",", '"d"', ")"])

    def test_hx_text_is_words(self):
        text = "HXCOMM don't /*\nDEF(a) /* c */\nSRST\n``x`` isn't /*\nERST\n{ b }"
        self.assertEqual(
            Tokens(text, "hx").texts,
            "DEF ( a ) SRST ``x`` isn't /* ERST { b }".split(),
        )

    def test_hx_quote_may_end_inside_the_text(self):
        self.assertEqual(Tokens("SRST\n  ``a b``", "hx").texts, ["SRST", "``a", "b``"])

    def test_find_does_not_overlap(self):
        tokens = Tokens("a a a b a a")
        self.assertEqual(tokens.find(["a", "a"]), [Extent(0, 1), Extent(4, 5)])
        self.assertEqual(tokens.find(["a", "a"], Extent(1, 4)), [Extent(1, 2)])
        self.assertEqual(tokens.find(["c"]), [])

    def test_surroundings(self):
        text = "a;\n\nt[] = { 1, { 2, 3 }, };\nb;\n\nc;"
        tokens = Tokens(text)

        def around(word):
            match = tokens.find([word])[0]
            return tokens.source(tokens.surroundings(match))

        self.assertEqual(around("2"), "{ 2, 3 }")
        self.assertEqual(around("1"), "{ 1, { 2, 3 }, }")
        self.assertEqual(around("b"), "t[] = { 1, { 2, 3 }, };\nb;")
        self.assertEqual(around("a"), "a;")
        self.assertEqual(around("c"), "c;")

    def test_digest_is_of_the_code_alone(self):
        def of(text):
            tokens = Tokens(text)
            return digest([(tokens, tokens.definitions("f"))])

        plain = of("int f(int a) { return a; }")
        self.assertEqual(of("int\nf(int a)\n{ return a; /* a */ }\nint g;"), plain)
        self.assertNotEqual(of("int f(int a) { return a + 1; }"), plain)
        self.assertEqual(len(plain), 16)


class FunctionsTest(unittest.TestCase):
    def test_plain_and_decorated_definitions(self):
        for definition in (
            "void f(void) { }",
            "static void\nf(int a,\n  int (*g)(int))\n{ if (a) { g(a); } }",
            "G_NORETURN static void f(void) { for (;;) { } }",
            "G_GNUC_PRINTF(1, 2)\nstatic void f(const char *s, ...) { }",
            "__attribute__((noinline)) void f(void) { }",
            "void f(void) __attribute__((noinline)) { }",
            "static bool f(void) TSA_NO_TSA QEMU_X(1) { return 1; }",
            "struct s *f(struct s *s) { return s; }",
            "void f(void)\n{\n#define X {\n  g('}', \"}\"); /* } */\n}",
            "void f(int a)\n{\n#ifdef A\n if (a) {\n#else\n if (b) {\n#endif\n }\n}",
        ):
            text = f"int before;\n{definition}\nint after(void) {{ }}\n"
            with self.subTest(definition=definition):
                self.assertEqual(sources(text).get("f"), definition)
                self.assertIn("after", sources(text))

    def test_what_stands_in_front_stays_outside(self):
        for front in (
            "type_init(x)",
            "OBJECT_DECLARE(A, B)\n\n",
            "#include <x.h>\n",
            "#define M(x) \\\n { x",
            "/* about f() { */",
            "int a[] = { g(1), 2 };",
            "static void f(void);",
            "struct s { int (*f)(void); };",
            "typedef struct s { int x; } s;",
        ):
            with self.subTest(front=front):
                found = sources(f"{front}\nstatic void f(void) {{ g(); }}\n")
                self.assertEqual(found, {"f": "static void f(void) { g(); }"})

    def test_inside_of_a_linkage_block(self):
        found = sources('extern "C" {\nint f(void) { g(); }\n}\nint h(void) { }')
        self.assertEqual(found, {"f": "int f(void) { g(); }", "h": "int h(void) { }"})

    def test_declarations_are_no_definitions(self):
        text = (
            "void f(void); extern int (*f)(int); int x = f(1);\n"
            "#define f(x) { x }\n"
            "DECLARE(f)\nstruct s { int a; };\n"
            "static void g(void) { f(1); if (f(2)) { } }"
        )
        self.assertEqual(list(sources(text)), ["g"])

    def test_two_definitions_under_a_conditional(self):
        tokens = Tokens("#ifdef A\nint f(int a) {}\n#else\nint f(void) {}\n#endif\n")
        self.assertEqual(
            [tokens.source(extent) for extent in tokens.definitions("f")],
            ["int f(int a) {}", "int f(void) {}"],
        )

    def test_names_that_macros_make(self):
        text = "void HELPER(f)(int a) { }\nvoid glue(g, X)(int a) { }"
        self.assertEqual(list(sources(text)), ["HELPER(f)", "glue(g,X)"])

    def test_names_with_underscores(self):
        self.assertEqual(list(sources("static int __f(int a) { }")), ["__f"])

    def test_split_conditional_is_seen(self):
        tokens = Tokens("#ifdef A\nint f(int a)\n#else\nint f(void)\n#endif\n{ }")
        extent = tokens.definitions("f")[0]
        self.assertFalse(tokens.conditionals_balanced(extent))
        tokens = Tokens("int f(int a) {\n#if A\n1;\n#elif B\n2;\n#endif\n}")
        self.assertTrue(tokens.conditionals_balanced(tokens.definitions("f")[0]))


HEAD = "# SPDX-License-Identifier: GPL-2.0-or-later\n# Because.\n"
CALL = HEAD + "kind: call\ntopic: t\nfile: a.c\nfunction: f\n"


class Folder(unittest.TestCase):
    """Gives each test a folder with a small tree, seams and an add-on."""

    FILES = {
        "VERSION": "10.0.13\n",
        "meson.build": "x.add(files(\n  'a.c',\n  'b.c', # 'a.c'\n))\n",
        "a.c": (
            "static int helper(void);\n\n"
            "void f(int a)\n{\n    if (a) {\n        g(a,  1); /* why */\n    }\n"
            "    h();\n}\n\n"
            "void other(int a)\n{\n    g(a, 1);\n}\n\n"
            "static int helper(void)\n{\n    return 1;\n}\n"
        ),
        "sub/untouched.c": "int u;\n",
        "roms/big.c": "int b;\n",
    }
    SEAMS = {
        "call": CALL + "--- anchor\ng(a, 1);\n--- replace\nours(a);\nmore(a);\n",
        "own": HEAD + "kind: own\ntopic: o\nfile: a.c\nfunction: helper\n",
        "row": HEAD + "kind: row\ntopic: t\nfile: meson.build\n"
        "--- anchor\n'a.c',\n--- after\n'ours.c',\n",
    }

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="svm-graft-")
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)
        self.tree = self.folder / "pristine"
        self.target = self.folder / "grafted"
        self.seams = self.folder / "add-on" / "seams"
        self.fill(self.tree, self.FILES)
        self.fill(self.seams, {f"{name}.seam": t for name, t in self.SEAMS.items()})
        self.fill(self.folder / "add-on", {"ours.c": "int ours;\n", "README.md": "x"})

    @staticmethod
    def fill(folder: Path, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def seam(self, name: str, text: str) -> None:
        self.fill(self.seams, {f"{name}.seam": text})

    def only_seam(self, text: str) -> None:
        shutil.rmtree(self.seams)
        self.seam("one", text)

    def graft(self, version="10.0.13", strict=False):
        folder = graft.AddOnFolder(
            self.folder / "add-on", "target/svm", ("seams", "README.md")
        )
        return graft.graft(
            self.tree,
            self.target,
            version,
            strict,
            seams=self.seams,
            add_on=[folder, graft.AddOnFolder(self.folder / "absent", "hw/svm")],
        )

    def accept(self, version="10.0.13") -> None:
        seams = graft.read_seams(self.seams)
        for outcome in graft.examine(self.tree, seams, version):
            if outcome.applies:
                seam_commands._accept(outcome, version)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.tree / name).read_text()
        self.assertIn(old, text)
        (self.tree / name).write_text(text.replace(old, new, 1))

    def content(self, name: str) -> str:
        return (self.target / name).read_text()

    def snapshot(self) -> dict[str, tuple]:
        if not self.target.exists():
            return {}
        return {
            str(path): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in self.target.rglob("*")
            if path.is_file()
        }

    def fails(self, *words: str, strict=False, version="10.0.13") -> list[str]:
        """A graft fails in these words, and changes nothing; its problems."""
        before = self.snapshot()
        with self.assertRaises(graft.GraftError) as caught:
            self.graft(version, strict)
        for word in words:
            self.assertIn(word, "\n".join(caught.exception.problems))
        self.assertNotIn("\n", str(caught.exception))
        self.assertEqual(self.snapshot(), before)
        left = {path.name for path in self.folder.iterdir()}
        self.assertLessEqual(left, {"pristine", "grafted", "add-on"})
        return caught.exception.problems


class SeamFileTest(Folder):
    def test_all_fields(self):
        self.only_seam(
            HEAD + "# Truly.\n\nkind: call\ntopic: a-b\nfile: a.c\nfunction: f\n"
            "matches: 2\nversions: 10.0 11\nreplaces: b.c\n"
            "reviewed: 10.0.13 0123456789abcdef\n"
            "--- anchor\n a\n--- before\n  b\n\n--- anchor\nc;\n--- replace\n"
        )
        (seam,) = graft.read_seams(self.seams)
        self.assertEqual(seam.why, "Because. Truly.")
        self.assertEqual((seam.name, seam.kind, seam.topic), ("one", "call", "a-b"))
        self.assertEqual((seam.matches, seam.versions), (2, ("10.0", "11")))
        self.assertEqual(seam.reviewed, {"10.0.13": "0123456789abcdef"})
        self.assertEqual((seam.functions, seam.replaces), (("f",), ("b.c",)))
        self.assertEqual(
            [(a.quote, a.action, a.text) for a in seam.anchors],
            [(" a", "before", "  b\n"), ("c;", "replace", "")],
        )

    def test_mistakes_name_file_and_line(self):
        anchor = "--- anchor\na\n--- after\nb\n"
        for text, problem in (
            (CALL.replace("# Because.\n", "") + anchor, "1: no comment says why"),
            (CALL + "colour: red\n" + anchor, "7: unknown line 'colour: red'"),
            (CALL + "topic: t\n" + anchor, "7: 'topic:' stands there twice"),
            (CALL.replace("call", "cut") + anchor, "3: unknown kind 'cut'"),
            (CALL.replace(": t\n", ": T t\n") + anchor, "4: topic 'T t'"),
            (CALL.replace("a.c", "../a.c") + anchor, "5: '../a.c' is not a path"),
            (CALL.replace("file: a.c\n", "") + anchor, "1: 'file:' is missing"),
            (CALL.replace("function: f\n", "") + anchor, "1: kind call needs"),
            (CALL.replace("a.c", "Kconfig") + anchor, "1: 'function:' needs a C file"),
            (CALL + "function: g\n" + anchor, "6: kind call takes one"),
            (CALL + "function:\n" + anchor, "7: 'function:' has no value"),
            (CALL + "matches: 0\n" + anchor, "7: matches '0'"),
            (CALL + "versions: new\n" + anchor, "7: versions 'new'"),
            (CALL + "reviewed: 10.0.13 12\n" + anchor, "7: reviewed '10.0.13 12'"),
            (CALL, "1: kind call needs '--- anchor'"),
            (CALL + "--- anchor\na\n", "7: an anchor without action"),
            (CALL + "--- anchor\n/* */\n--- after\nb\n", "7: an anchor without a t"),
            (CALL + "--- after\nb\n", "7: '--- after' without an anchor"),
            (CALL + "--- anchor\na\n--- after\n\n", "9: '--- after' without text"),
            (CALL + "--- anker\na\n", "7: unknown section '--- anker'"),
            (CALL.replace("call", "own") + anchor, "7: kind own has no anchor"),
        ):
            with self.subTest(problem=problem):
                self.only_seam(text)
                self.fails("one.seam:" + problem)

    def test_no_seams_and_other_files(self):
        self.fill(self.seams, {"notes.txt": "x"})
        self.fails("notes.txt: not a seam")
        shutil.rmtree(self.seams)
        self.fails("no seam there")


class GraftTest(Folder):
    def test_the_three_kinds(self):
        self.graft()
        self.assertEqual(
            self.content("a.c"),
            "static int helper(void);\n\n"
            "void f(int a)\n{\n    if (a) {\n        ours(a);\n        more(a);"
            " /* why */\n    }\n    h();\n}\n\n"
            "void other(int a)\n{\n    g(a, 1);\n}\n\n"
            "#if 0 /* qemu-svm: helper is in the add-on */\n"
            "static int helper(void)\n{\n    return 1;\n}\n#endif\n",
        )
        self.assertEqual(
            self.content("meson.build"),
            "x.add(files(\n  'a.c',\n  'ours.c',\n  'b.c', # 'a.c'\n))\n",
        )
        self.assertEqual(self.content("target/svm/ours.c"), "int ours;\n")
        self.assertEqual(self.content("sub/untouched.c"), "int u;\n")
        for absent in ("roms", "target/svm/seams", "target/svm/README.md", "hw"):
            self.assertFalse((self.target / absent).exists(), absent)
        self.assertEqual((self.tree / "a.c").read_text(), self.FILES["a.c"])

    def test_where_text_goes(self):
        for anchor, action, text, expected in (
            ("h();", "before", "x();", "    }\n    x();\n    h();\n}"),
            ("h();", "after", "if (x) {\n    y();\n}", "if (x) {\n        y();\n    }"),
            ("g(a, 1);", "after", "x();", "1); /* why */\n        x();\n    }"),
            ("h", "replace", "x", "\n    x();\n"),
            ("h();", "replace", "", "    }\n}\n\nvoid other"),
            ("a, 1", "before", "x,", "g(x, a,  1);"),
            ("a, 1", "after", ", x", "g(a,  1 , x);"),
            ("h();", "after", "#if X\nx();\n#endif", "\n#if X\n    x();\n#endif\n}"),
            ("if (a) {", "after", "    x();", "if (a) {\n        x();\n        g("),
            ("    h();", "before", "  x();", "    }\n  x();\n    h();"),
        ):
            with self.subTest(anchor=anchor, action=action, text=text):
                self.only_seam(f"{CALL}--- anchor\n{anchor}\n--- {action}\n{text}\n")
                shutil.rmtree(self.target, ignore_errors=True)
                self.graft()
                self.assertIn(expected, self.content("a.c"))

    def test_an_anchor_removed(self):
        self.graft()
        self.edit("a.c", "g(a,  1);", "")
        self.fails(
            "seam call: a.c: function f: anchor 'g(a, 1);': expected 1 match, found 0"
            " (1 elsewhere in the file)"
        )

    def test_an_anchor_doubled(self):
        self.graft()
        self.edit("a.c", "g(a,  1);", "g(a, 1);\n g(a,1);")
        self.fails(
            "seam call: a.c: function f: anchor 'g(a, 1);': expected 1 match, found 2"
        )

    def test_a_row_doubled_before_the_first_graft(self):
        self.edit("meson.build", "'a.c',", "'a.c', 'a.c',")
        self.fails(
            "seam row: meson.build: anchor ''a.c',': expected 1 match, found 2"
        )
        self.assertFalse(self.target.exists())

    def test_a_function_removed_or_doubled(self):
        self.edit("a.c", "void f(", "void renamed(")
        self.fails("seam call: a.c: function f: no such function (anchor 'g(a, 1);')")
        self.edit("a.c", "void renamed(", "void f(")
        self.edit("a.c", "static int helper(void)\n", "static int gone(void)\n")
        self.fails("seam own: a.c: function helper: expected 1 definition, found 0")
        self.edit("a.c", "gone", "helper")
        self.edit("a.c", "void f(", "static int helper(void) { }\nvoid f(")
        self.fails("seam own: a.c: function helper: expected 1 definition, found 2")

    def test_a_function_changed_under_its_digest(self):
        self.assertEqual(len(self.graft()), 3)
        self.accept()
        self.assertEqual(self.graft(strict=True), [])
        self.edit("a.c", "    h();", "    h(1);")
        self.fails(
            "seam call: the code around it in a.c:f is not reviewed for 10.0.13",
            strict=True,
        )
        self.assertEqual([warning.seam for warning in self.graft()], ["call"])
        self.accept()
        self.assertEqual(self.graft(strict=True), [])

    def test_layout_and_other_functions_do_not_change_a_digest(self):
        self.accept()
        self.edit("a.c", "    h();", "\th( ) ; // now")
        self.edit("a.c", "void other(int a)\n{", "void other(int a)\n{ x();")
        self.assertEqual(self.graft("10.0.14", strict=True), [])

    def test_a_list_or_a_replaced_file_changed_under_its_digest(self):
        self.seam("row", self.SEAMS["row"].replace("---", "replaces: b.c\n---", 1))
        self.fails("seam row: b.c: No such file")
        self.fill(self.tree, {"b.c": "int b;\n"})
        self.accept()
        self.assertEqual(self.graft(strict=True), [])
        self.edit("b.c", "int", "long")
        self.fails("seam row: the code around it", strict=True)
        self.accept()
        self.edit("meson.build", "'b.c',", "'b.c', 'c.c',")
        self.fails("seam row: the code around it", strict=True)

    def test_expected_matches(self):
        self.edit("a.c", "g(a,  1);", "g(a, 1); g(a, 1);")
        self.seam("call", self.SEAMS["call"].replace("---", "matches: 2\n---", 1))
        self.graft()
        self.assertEqual(self.content("a.c").count("ours(a);"), 2)

    def test_versions(self):
        text = self.SEAMS["call"].replace("g(a, 1)", "gone()")
        self.seam("call", text.replace("---", "versions: 10.0 11\n---", 1))
        self.fails("seam call: a.c: function f: anchor 'gone();'")
        self.fails("seam call: a.c: function f: anchor 'gone();'", version="11.1")
        self.graft("10.01")
        self.graft("12.0")
        self.assertNotIn("ours(", self.content("a.c"))

    def test_collisions(self):
        for anchor, action in (("a, 1", "before"), ("if (a) { g(a, 1);", "replace")):
            with self.subTest(anchor=anchor):
                self.seam("z", f"{CALL}--- anchor\n{anchor}\n--- {action}\nx,\n")
                self.fails("a.c:f: its edit at line", "collides with that of seam")
        self.seam("z", f"{CALL}--- anchor\nif (a) {{\n--- after\nx;\n")
        self.seam("y", f"{CALL}--- anchor\ng(a, 1);\n--- before\ny;\n")
        self.fails("seam z: a.c:f: its edit at line 6 collides with that of seam y")
        (self.seams / "y.seam").unlink()
        self.graft()

    def test_a_fenced_function_takes_no_other_edit(self):
        text = CALL.replace("function: f", "function: helper")
        self.seam("z", text + "--- anchor\nreturn 1;\n--- after\nx;\n")
        self.fails("seam z: a.c:helper: its edit at line", "of seam own")

    def test_a_function_that_cannot_be_fenced(self):
        self.edit(
            "a.c",
            "static int helper(void)\n{",
            "#if A\nint helper(int a)\n#else\nstatic int helper(void)\n#endif\n{",
        )
        self.fails("seam own: a.c: function helper cannot be fenced")

    def test_a_missing_file(self):
        (self.tree / "a.c").unlink()
        self.fails("seam call: a.c: No such file or directory")

    def test_the_tree_has_the_add_ons_file(self):
        self.fill(self.tree, {"target/svm/ours.c": "theirs"})
        self.fails("the tree has a file target/svm/ours.c of its own")

    def test_one_line_for_several_problems(self):
        (self.tree / "a.c").write_text("")
        with self.assertRaises(SetupFailed) as caught:
            self.graft()
        self.assertIn("(and 1 more; see ./svm seams)", str(caught.exception))


class RefreshTest(Folder):
    def test_nothing_is_written_when_nothing_changed(self):
        self.graft()
        before = self.snapshot()
        self.graft()
        self.assertEqual(self.snapshot(), before)

    def test_only_what_changed_is_written_and_is_new(self):
        self.graft()
        for path in self.target.rglob("*"):
            os.utime(path, (1, 1))
        self.fill(self.folder / "add-on", {"ours.c": "int changed;\n"})
        self.seam("row", self.SEAMS["row"].replace("'ours.c'", "'mine.c'"))
        self.graft()
        written = {
            str(path.relative_to(self.target))
            for path in self.target.rglob("*")
            if path.is_file() and path.stat().st_mtime > 1
        }
        self.assertEqual(written, {"meson.build", "target/svm/ours.c"})

    def test_a_seam_goes_and_a_file_of_the_add_on_goes(self):
        self.fill(self.folder / "add-on", {"more/x.c": "int x;\n"})
        self.graft()
        self.assertTrue((self.target / "target/svm/more/x.c").exists())
        shutil.rmtree(self.folder / "add-on" / "more")
        (self.seams / "row.seam").unlink()
        self.graft()
        self.assertEqual(self.content("meson.build"), self.FILES["meson.build"])
        # ninja must see that it is not what the last build read.
        self.assertGreater(
            (self.target / "meson.build").stat().st_mtime_ns,
            (self.tree / "meson.build").stat().st_mtime_ns,
        )
        self.assertFalse((self.target / "target/svm/more").exists())

    def test_another_pristine_tree(self):
        self.graft()
        (self.tree / "sub/untouched.c").unlink()
        self.fill(self.tree, {"new/n.c": "int n;\n", "roms/r.c": ""})
        self.edit("a.c", "h();", "hh();")
        self.graft()
        self.assertFalse((self.target / "sub").exists())
        self.assertEqual(self.content("new/n.c"), "int n;\n")
        self.assertIn("hh();", self.content("a.c"))
        self.assertFalse((self.target / "roms").exists())

    def test_changes_made_by_hand_are_undone(self):
        self.graft()
        (self.target / "sub/untouched.c").write_text("int v;\n")
        (self.target / "a.c").write_text("")
        self.graft()
        self.assertEqual(self.content("sub/untouched.c"), "int u;\n")
        self.assertIn("ours(a);", self.content("a.c"))

    def test_nothing_is_shared_with_the_pristine_tree(self):
        self.graft()
        for path in self.target.rglob("*"):
            if path.is_file():
                self.assertEqual(path.stat().st_nlink, 1)

    def test_links_and_modes_come_along(self):
        (self.tree / "sub/run").write_text("#!/bin/sh\n")
        (self.tree / "sub/run").chmod(0o755)
        (self.tree / "sub/link").symlink_to("run")
        (self.tree / "sub/folder-link").symlink_to("../sub")
        self.graft()
        self.assertTrue(os.access(self.target / "sub/run", os.X_OK))
        self.assertEqual(os.readlink(self.target / "sub/link"), "run")
        self.assertEqual(os.readlink(self.target / "sub/folder-link"), "../sub")

    def test_an_interrupted_first_copy_leaves_nothing(self):
        for failure in (KeyboardInterrupt, OSError):
            with mock.patch("shutil.copy2", side_effect=failure):
                with self.assertRaises(failure):
                    self.graft()
            self.assertEqual(
                {path.name for path in self.folder.iterdir()}, {"pristine", "add-on"}
            )
        # One that was killed leaves its folder; the next one does not trust it.
        self.fill(self.folder / "grafted.partial", {"stray.c": ""})
        self.graft()
        self.assertFalse((self.target / "stray.c").exists())

    def test_an_interrupted_refresh_is_repaired(self):
        replace = Path.replace
        for writes in range(3):
            with self.subTest(writes=writes):
                shutil.rmtree(self.target, ignore_errors=True)
                self.fill(self.tree, self.FILES)
                self.graft()
                self.fill(self.folder / "add-on", {"new.c": "int n;\n"})
                self.edit("sub/untouched.c", "int u;", "int longer;")
                left = iter([replace] * writes)

                def interrupted(source, target, left=left):
                    next(left, mock.Mock(side_effect=KeyboardInterrupt))(source, target)

                with mock.patch("pathlib.Path.replace", interrupted):
                    with self.assertRaises(KeyboardInterrupt):
                        self.graft()
                (self.folder / "add-on" / "new.c").unlink()
                self.graft()
                self.assertEqual(self.content("sub/untouched.c"), "int longer;\n")
                self.assertFalse((self.target / "target/svm/new.c").exists())
                self.assertFalse(list(self.target.rglob("*.partial")))

    def test_a_folder_that_is_no_graft_is_left_alone(self):
        self.fill(self.target, {"precious": "x"})
        with self.assertRaisesRegex(SetupFailed, "not a tree that a graft made"):
            self.graft()
        self.assertEqual([path.name for path in self.target.iterdir()], ["precious"])


class CommandsTest(Folder):
    def setUp(self):
        super().setUp()
        patch = mock.patch.object(graft, "SEAMS", self.seams)
        patch.start()
        self.addCleanup(patch.stop)

    def command(self, name: str, *arguments: str) -> tuple[int, str, str]:
        """Run a command: its status, its output, its messages."""
        import argparse

        (command,) = (c for c in seam_commands.COMMANDS if c.name == name)
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        options = parser.parse_args([*arguments, "--tree", str(self.tree)])
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        messages = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(messages):
            status = command.run(options)
        out.flush()
        return status, out.buffer.getvalue().decode(), messages.getvalue()

    def test_seams(self):
        status, table, _messages = self.command("seams")
        self.assertEqual(status, 0)
        self.assertIn("3 seams on QEMU 10.0.13: 0 failing, 3 not reviewed", table)
        self.assertEqual(self.command("seams", "--strict")[0], 1)
        self.accept()
        self.assertEqual(self.command("seams", "--strict")[0], 0)
        self.edit("a.c", "g(a,  1);", "")
        status, table, messages = self.command("seams")
        self.assertEqual(status, 1)
        self.assertRegex(table, r"call +call +t +0/1 +FAILS +a.c:f\n")
        self.assertIn("seam call: a.c: function f: anchor", messages)

    def test_review_and_accept(self):
        status, text, _messages = self.command("seams", "review", "--seam", "own")
        self.assertEqual(status, 0)
        self.assertIn("Never reviewed; 10.0.13 has:\nstatic int helper(void)", text)
        self.assertIn("1 seams shown, 1 left", text)
        self.command("seams", "review", "--accept")
        self.assertIn("0 seams shown", self.command("seams", "review")[1])
        build = self.folder / "build"
        shutil.copytree(self.tree, build / "old")
        self.fill(self.tree, {"VERSION": "10.0.14\n"})
        self.edit("a.c", "    h();", "    h(1);")
        with mock.patch.object(seam_commands, "BUILD", build):
            text = self.command("seams", "review", "--accept")[1]
        self.assertIn("-    h();\n+    h(1);\n", text)
        self.assertIn("accepted for 10.0.14", text)
        seam = graft.read_seam(self.seams / "call.seam")
        self.assertEqual(list(seam.reviewed), ["10.0.13", "10.0.14"])
        self.assertEqual(self.command("seams", "--strict")[0], 0)

    def test_diff_makes_the_grafted_tree(self):
        (self.tree / "meson.build").write_text("files('a.c',\n)")
        self.graft()
        status, patch, _messages = self.command("diff")
        self.assertEqual(status, 0)
        self.assertIn("--- a/a.c\n+++ b/a.c\n", patch)
        self.assertIn("\\ No newline at end of file\n", patch)
        if not shutil.which("patch"):
            self.skipTest("no patch program")
        import subprocess

        subprocess.run(
            ["patch", "-s", "-p1", "-d", self.tree], input=patch.encode(), check=True
        )
        for name in ("a.c", "meson.build"):
            self.assertEqual((self.tree / name).read_text(), self.content(name))

    def test_diff_of_a_topic(self):
        patch = self.command("diff", "--topic", "o")[1]
        self.assertIn("#if 0", patch)
        self.assertNotIn("ours", patch)
        with self.assertRaisesRegex(seam_commands.BadUsage, "there are: o, t"):
            self.command("diff", "--topic", "x")


def pristine_trees() -> list[Path]:
    """QEMU sources that a build has fetched."""
    return [
        found.parent
        for found in sorted((CHECKOUT / "build").glob("*/VERSION"))
        if not graft.is_grafted(found.parent)
    ]


class RealTreeTest(Folder):
    """Each seam of the add-on, on the files of QEMU that the seams name."""

    def setUp(self):
        trees = pristine_trees()
        if not trees:
            self.skipTest("no pristine QEMU source in build/ (./svm build fetches it)")
        super().setUp()
        shutil.rmtree(self.seams)
        shutil.copytree(graft.SEAMS, self.seams)
        self.version = (trees[0] / "VERSION").read_text().strip()
        shutil.rmtree(self.tree)
        for seam in graft.read_seams(self.seams):
            names = (seam.file, *seam.replaces) if seam.is_for(self.version) else ()
            for name in names:
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(trees[0] / name, self.tree / name)
        self.accept(self.version)
        # A file is read once for all spoiled ones: of hundreds only one differs.
        whole = {}
        self.spoiled = ""

        def read_once(path: Path, name: str) -> graft.SourceFile:
            if name == self.spoiled:
                return source_file(path, name)
            if name not in whole:
                whole[name] = source_file(path, name)
            return whole[name]

        source_file = graft.SourceFile
        reader = mock.patch.object(graft, "SourceFile", read_once)
        reader.start()
        self.addCleanup(reader.stop)
        self.assertEqual(self.graft(self.version, strict=True), [])

    def spoil(self, seam: graft.Seam, how, problem: str, strict=False) -> None:
        """Replace the seam's file by how(its tokens) for one failing graft."""
        path = self.tree / seam.file
        text = path.read_bytes()
        tokens = graft.SourceFile(path, seam.file).tokens
        self.spoiled = seam.file
        path.write_bytes(how(tokens).encode("utf-8", "surrogateescape"))
        self.assertNotEqual(path.read_bytes(), text)
        try:
            problems = self.fails(strict=strict, version=self.version)
        finally:
            path.write_bytes(text)
            self.spoiled = ""
        ours = [one for one in problems if one.startswith(f"seam {seam.name}: ")]
        self.assertTrue(any(problem in one for one in ours), problems)

    def spoil_each(self, how, problem, strict=False) -> None:
        """Spoil what each seam looks for: how(tokens, place, seam) is new text."""
        for seam in graft.read_seams(self.seams):
            if not seam.is_for(self.version):
                continue
            anchors = [graft._quoted(anchor, seam) for anchor in seam.anchors]
            for wanted in anchors or [None]:

                def spoiled(tokens, seam=seam, wanted=wanted):
                    place = None
                    if seam.functions:
                        place = tokens.definitions(seam.functions[0])[0]
                    if wanted:
                        place = tokens.find(wanted, place)[0]
                    return how(tokens, place, seam)

                with self.subTest(seam=seam.name, anchor=wanted):
                    self.spoil(seam, spoiled, problem(seam), strict)

    def test_each_anchor_removed(self):
        def without(tokens, place, seam):
            first, last = place
            if seam.kind != "own":
                # One word of it will do, and leaves the brackets around it whole.
                brackets = "()[]{}"
                while tokens.texts[first] in brackets:
                    first += 1
                last = first
            start, end = tokens.starts[first], tokens.ends[last]
            return tokens.text[:start] + tokens.text[end:]

        self.spoil_each(without, lambda seam: f", found {seam.matches - 1}")

    def test_each_anchor_doubled(self):
        def doubled(tokens, place, _seam):
            end = tokens.ends[place.last]
            again = tokens.source(place)
            return f"{tokens.text[:end]}\n{again}\n{tokens.text[end:]}"

        self.spoil_each(doubled, lambda seam: f", found {seam.matches + 1}")

    def test_the_code_under_each_digest_changed(self):
        def changed(tokens, place, seam):
            # A function's last token is its brace: stay in front of it.
            inside = place.last - 1 if seam.kind == "own" else place.last
            end = tokens.ends[inside]
            return f"{tokens.text[:end]} changed {tokens.text[end:]}"

        self.spoil_each(changed, lambda _seam: "is not reviewed", strict=True)


if __name__ == "__main__":
    unittest.main()
