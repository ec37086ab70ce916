/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/conf_memory.h"

static void dump(FILE *out, const struct pn_ucl_node *node)
{
    if (node->type == PN_UCL_SCALAR) {
        fprintf(out, node->quoted ? "'%s'" : "%s", node->text);
        return;
    }
    fputc(node->type == PN_UCL_OBJECT ? '{' : '[', out);
    for (const struct pn_ucl_node *n = node->first; n; n = n->next) {
        fputs(n == node->first ? "" : " ", out);
        if (n->key)
            fprintf(out, "%s=", n->key);
        dump(out, n);
    }
    fputc(node->type == PN_UCL_OBJECT ? '}' : ']', out);
}

static char *dump_files(const struct memory_file *files)
{
    struct pn_ucl_error err;
    struct pn_ucl_io io = memory_io(files);
    struct pn_ucl_doc *doc = pn_ucl_parse(&io, files[0].path, &err);
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (doc)
        dump(out, pn_ucl_root(doc));
    else
        fprintf(out, "%s:%u:%u: %s", err.file, err.line, err.column, err.text);
    fclose(out);
    pn_ucl_free(doc);
    return text;
}

static void expect_text(const char *text, size_t len, const char *expected)
{
    const struct memory_file files[] = {{"f", text, len}, {0}};
    char *got = dump_files(files);
    assert_string_equal(got, expected);
    free(got);
}

static void forms(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "{}"},
        {"\n;;,\n# only a comment", "{}"},
        {"a = 1", "{a=1}"},
        {"a=1;b = 2, c=3", "{a=1 b=2 c=3}"},
        {"a: x\nb x\n\"c d\" x", "{a=x b=x c d=x}"},
        {"a =\n 1", "{a=1}"},
        {"a \"x y\"; b 'it\\'s'; c = 'a\\n'", "{a='x y' b='it's' c='a\\n'}"},
        {"a = \"\\\"\\\\\\/\\t\\u00e4\\u20ac\\ud83d\\ude00\"", "{a='\"\\/\tä€😀'}"},
        {"a = 2001:db8::25; b = http://x/y=z", "{a=2001:db8::25 b=http://x/y=z}"},
        {"a = l2dsr # comment\nb = 25#c", "{a=l2dsr b=25}"},
        {"a = 1 /* x /* nested */ y */ b /* z */ = /* z */ 2",
         "f:1:30: found \"b\", expected ';' or the end of the line "
         "after the value (a value with blanks needs quotes)"},
        {"/* x /* nested */ y */ b /* z */ = /* \n */ 2", "{b=2}"},
        {"s { a = 1 }", "{s={a=1}}"},
        {"s\n{ a 1; }", "{s={a=1}}"},
        {"s = { a = 1 } t: { b: 2 }", "{s={a=1} t={b=2}}"},
        {"s \"t\" { a = 1; b = 2 }", "{s={t={a=1 b=2}}}"},
        {"s t\n\n{\n a 1 }", "{s={t={a=1}}}"},
        {"s t u { a = 1 } s v { }", "{s={t={u={a=1}}} s={v={}}}"},
        {"a = [1, \"2\"; x\n y\n]; b []", "{a=[1 '2' x y] b=[]}"},
        {"a = [[1],{b = 2}]", "{a=[[1] {b=2}]}"},
        {"a = 1\na = 2", "{a=1 a=2}"},
        {"{\"a\": {\"b\": [1, 2]}, \"c\": true}\n", "{a={b=[1 2]} c=true}"},
        {"\xef\xbb\xbf"
         "a = 1\r\nb = 2\r\n",
         "{a=1 b=2}"},
        {"# x\r\na = 1 # y\r\n\r\ns t\r\n{\r\n b 2\r\n}\r\n# z\r", "{a=1 s={t={b=2}}}"},
        {"a = 1\r\r\n# x\r\r\nb = 2\r", "{a=1 b=2}"}, /* a CRLF that was converted once more */
        {"include = x", "{include=x}"},
        {"include { a = 1 }", "{include={a=1}}"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_text(cases[i][0], 0, cases[i][1]);
}

static void faults(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"xääääääääääääääääääääääääääääääääääää",
         "f:1:38: found the end of the file, expected a value for \"xäääääääääääääääääääääääääääää...\""},
        {"a", "f:1:2: found the end of the file, expected a value for \"a\""},
        {"a\nb = 1", "f:1:2: found the end of the line, expected a value for \"a\""},
        {"\n  a = ;", "f:2:7: found ';', expected a value for \"a\""},
        {"ä = }", "f:1:5: found '}', expected a value for \"ä\""},
        {"a \"x\" = 1",
         "f:1:7: found \"=\", expected ';' or the end of the line after the value (a value with blanks needs "
         "quotes), or '{' after a section's titles"},
        {"a = 1 2",
         "f:1:7: found \"2\", expected ';' or the end of the line after the value (a value with blanks needs "
         "quotes)"},
        {"a b c", "f:1:5: found \"c\", expected ';' or the end of the line after the value (a value with blanks needs "
                  "quotes), or '{' after a section's titles"},
        {"a = 1 { b = 2 }",
         "f:1:7: found '{', expected ';' or the end of the line after the value (a value with blanks "
         "needs quotes)"},
        {"a b c d e f {}", "f:1:11: found \"f\", expected '{' after the section's titles"},
        {"s {\n a = 1", "f:1:3: section is not closed: expected '}' before the end of the file"},
        {"a = [1", "f:1:5: list is not closed: expected ']' before the end of the file"},
        {"a = [1}", "f:1:7: found '}', expected a value or ']'"},
        {"a = [1 2]", "f:1:8: found \"2\", expected ',' or ']' after a value in a list"},
        {"a = 1 }", "f:1:7: found '}', expected a key (no section is open here)"},
        {"= 1", "f:1:1: found '=', expected a key"},
        {"\"\" = 1", "f:1:1: found an empty key"},
        {"{ a = 1", "f:1:1: the brace around the file is not closed: expected '}' before its end"},
        {"{ a = 1 } b = 2", "f:1:11: found \"b\", expected nothing after the brace that closes the file"},
        {"a = 1\n{ b = 2 }", "f:2:1: found '{', expected a key"},
        {"a = \"x", "f:1:5: string is not closed: expected \" before the end of the line"},
        {"a = \"x\ny\"", "f:1:5: string is not closed: expected \" before the end of the line"},
        {"a = \"x\r\ny\"", "f:1:5: string is not closed: expected \" before the end of the line"},
        {"# x\ra = 1\r", "f:1:4: found a carriage return without a line feed: lines end in LF or CRLF"},
        {"a = 1\r\nb = 2 # x\rc = 3\r\n",
         "f:2:10: found a carriage return without a line feed: lines end in LF or CRLF"},
        {"a = 1\n# x\r\rb = 2\n", "f:2:4: found a carriage return without a line feed: lines end in LF or CRLF"},
        {"a = 1\rb = 2\r", "f:1:6: found a carriage return without a line feed: lines end in LF or CRLF"},
        {"a = \"x\rb\"", "f:1:7: byte 0x0d is not text (UTF-8 without control characters)"},
        {"a = \"x\\",
         "f:1:7: unknown escape: expected one of \\n \\r \\t \\b \\f \\\\ \\\" \\/ \\u and four hex digits"},
        {"a = \"\\q\"",
         "f:1:6: unknown escape: expected one of \\n \\r \\t \\b \\f \\\\ \\\" \\/ \\u and four hex digits"},
        {"a = \"\\u12g4\"", "f:1:6: malformed \\u escape: expected four hexadecimal digits, not 0000"},
        {"a = \"\\u0000\"", "f:1:6: malformed \\u escape: expected four hexadecimal digits, not 0000"},
        {"a = \"\\ud800\\u0041\"", "f:1:6: malformed \\u escape: expected four hexadecimal digits, not 0000"},
        {"a = \"\\ud800x\"", "f:1:6: malformed \\u escape: expected four hexadecimal digits, not 0000"},
        {"a = \"\\udc00\"", "f:1:6: malformed \\u escape: expected four hexadecimal digits, not 0000"},
        {"a = /* x", "f:1:5: comment is not closed: expected */ before the end of the file"},
        {"a = <<EOD\nx\nEOD", "f:1:5: found \"<<EOD\", expected a value (heredocs are not read)"},
        {"a = x\x01y", "f:1:6: byte 0x01 is not text (UTF-8 without control characters)"},
        {"a = \xc0\xaf", "f:1:5: byte 0xc0 is not text (UTF-8 without control characters)"},
        {"a = \"\xed\xa0\x80\"", "f:1:6: byte 0xed is not text (UTF-8 without control characters)"},
        {"a = \xf4\x90\x80\x80", "f:1:5: byte 0xf4 is not text (UTF-8 without control characters)"},
        {"a = \xe2\x82", "f:1:5: byte 0xe2 is not text (UTF-8 without control characters)"},
        {".priority 3", "f:1:1: found \".priority\", expected a key, or .include (no other directive is known)"},
        {".include", "f:1:9: found the end of the file, expected the path of a file to include"},
        {".include \"\"", "f:1:10: found an empty path, expected a file to include"},
        {".include(key=1) \"x\"", "f:1:10: found \"key\", expected an option of .include: try=true or glob=true"},
        {".include(try=yes) \"x\"", "f:1:14: found \"yes\", expected true or false"},
        {".include(try=true \"x\"", "f:1:19: found \"x\", expected ',' or ')'"},
        {".include(try) \"x\"", "f:1:13: found ')', expected '='"},
        {".include \"x\" y", "f:1:14: found \"y\", expected ';' or the end of the line after the path"},
        {"\n.include \"x\"", "f:2:10: x: no such file"},
        {"include \"x\"", "f:1:9: x: no such file"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_text(cases[i][0], 0, cases[i][1]);
    expect_text("a = x\0y", 7, "f:1:6: byte 0x00 is not text (UTF-8 without control characters)");
    const struct memory_file none[] = {{0}};
    struct pn_ucl_io io = memory_io(none);
    struct pn_ucl_error err;
    assert_null(pn_ucl_parse(&io, "gone", &err));
    assert_string_equal(err.file, "gone");
    assert_string_equal(err.text, "no such file");
}

static void places(void **state)
{
    (void)state;
    const struct memory_file files[] = {{"f", "# x\n  \"ä\" ö = 1\n  list [\n    a, b ]", 0}, {0}};
    const struct memory_file good[] = {
        {"f", "# x\n  \"ä\" = ö; k = 2\n  list [\n    a, b ]\n.include g", 0}, {"g", "\nz 1", 0}, {0}};
    struct pn_ucl_io io = memory_io(good);
    struct pn_ucl_error err;
    struct pn_ucl_doc *doc = pn_ucl_parse(&io, "f", &err);
    assert_non_null(doc);
    const struct pn_ucl_node *n = pn_ucl_root(doc)->first;
    assert_int_equal(n->line, 2);
    assert_int_equal(n->column, 3);
    n = n->next;
    assert_string_equal(n->key, "k");
    assert_int_equal(n->column, 12); /* characters, not bytes */
    n = n->next;
    assert_int_equal(n->last->line, 4);
    assert_int_equal(n->last->column, 8);
    n = n->next;
    assert_string_equal(n->key, "z");
    assert_string_equal(pn_ucl_file(doc, n->file), "g");
    assert_int_equal(n->line, 2);
    assert_null(pn_ucl_file(doc, 2));
    pn_ucl_free(doc);
    io = memory_io(files);
    assert_null(pn_ucl_parse(&io, "f", &err));
    assert_int_equal(err.line, 2);
    assert_int_equal(err.column, 9);
}

static void includes(void **state)
{
    (void)state;
    static const struct {
        struct memory_file files[6];
        const char *expected;
    } cases[] = {
        {{{"etc/f", ".include \"d/a\"\nz = 1", 0}, {"etc/d/a", ".include 'b'; a = 1", 0}, {"etc/d/b", "b = 1", 0}},
         "{b=1 a=1 z=1}"},
        {{{"etc/f", "s { .include \"/d/a\" }\nz = 1", 0}, {"/d/a", "{ a = 1 }\n# end", 0}}, "{s={a=1} z=1}"},
        {{{"f", "include conf.d/*.conf\nz 1", 0},
          {"conf.d/10.conf", "a 1", 0},
          {"conf.d/20.conf", "b 1", 0},
          {"conf.d/30.txt", "c 1", 0}},
         "{a=1 b=1 z=1}"},
        {{{"f", "include conf.d/*.conf", 0}}, "{}"},
        {{{"f", ".include(try=true,glob=true) \"conf.d/*.conf\"", 0}, {"conf.d/a.conf", "a 1", 0}}, "{a=1}"},
        {{{"f", ".include(try=true) \"x\"; a 1", 0}}, "{a=1}"},
        {{{"f", ".include(try=true) \"x\"", 0}, {"x", "a", 0}},
         "x:1:2: found the end of the file, expected a value for \"a\""},
        {{{"f", ".include(glob=false) \"*\"", 0}, {"x", "a 1", 0}}, "f:1:22: *: no such file"},
        {{{"f", "\n.include g", 0}, {"g", "a = 1; .include f", 0}}, "g:1:17: \"f\" includes itself"},
        {{{"f", "s { .include g\n }", 0}, {"g", "a = 1 }", 0}},
         "g:1:7: found '}', expected a key (no section is open here)"},
        {{{"f", ".include g\n }", 0}, {"g", "s { a = 1", 0}},
         "g:1:3: section is not closed: expected '}' before the end of the file"},
        {{{"f", "a = 1\ninclude *", 0}, {"g", "b = 1", 0}, {"h", ".include gone", 0}}, "f:2:9: \"f\" includes itself"},
        {{{"f", "a = 1\ninclude g*", 0}, {"g1", "b = 1", 0}, {"g2", ".include gone", 0}},
         "g2:1:10: gone: no such file"},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *got = dump_files(cases[i].files);
        assert_string_equal(got, cases[i].expected);
        free(got);
    }
}

static void bounds(void **state)
{
    (void)state;
    static char text[PN_UCL_MAX_FILE_BYTES + 2];
    char expected[128];
    strcpy(text, "a ");
    memset(text + 2, '[', 4000);
    expect_text(text, 4002, "f:1:18: nested deeper than 15 levels");
    strcpy(text, "a ");
    memset(text + 2, '[', 15);
    memset(text + 17, ']', 15);
    expect_text(text, 32, "{a=[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}");
    memset(text, 'x', 5000);
    snprintf(expected, sizeof(expected), "f:1:1: text is longer than %d bytes", PN_UCL_MAX_TEXT_BYTES);
    expect_text(text, 5000, expected);
    text[0] = '"';
    expect_text(text, 5000, expected);
    memset(text, '\n', sizeof(text));
    expect_text(text, PN_UCL_MAX_FILE_BYTES, "{}");
    memset(text, '\r', PN_UCL_MAX_FILE_BYTES - 1); /* each is looked at once */
    text[0] = '#';
    expect_text(text, PN_UCL_MAX_FILE_BYTES, "{}");
    snprintf(expected, sizeof(expected), "f:0:0: longer than %u bytes", PN_UCL_MAX_FILE_BYTES);
    expect_text(text, PN_UCL_MAX_FILE_BYTES + 1, expected);
    memcpy(text, "a[", 2);
    for (unsigned i = 0; i < PN_UCL_MAX_NODES + 10; i++)
        memcpy(text + 2 + 2 * i, "1,", 2);
    snprintf(expected, sizeof(expected), "f:1:%u: more than %d values", 2 * PN_UCL_MAX_NODES + 1, PN_UCL_MAX_NODES);
    expect_text(text, 2 + 2 * PN_UCL_MAX_NODES + 20, expected);

    const struct memory_file chain[] = {{"1", ".include 2", 0}, {"2", ".include 3", 0},
                                        {"3", ".include 4", 0}, {"4", ".include 5", 0},
                                        {"5", ".include 6", 0}, {"6", ".include 7", 0},
                                        {"7", ".include 8", 0}, {"8", ".include 9", 0},
                                        {"9", "a = 1", 0},      {0}};
    char *got = dump_files(chain);
    assert_string_equal(got, "8:1:10: files include each other deeper than 8 levels");
    free(got);
    got = dump_files(chain + 1);
    assert_string_equal(got, "{a=1}");
    free(got);

    char many[12 * (PN_UCL_MAX_FILES + 1) + 1] = "";
    for (unsigned i = 0; i <= PN_UCL_MAX_FILES; i++)
        strcat(many, ".include g\n");
    const struct memory_file wide[] = {{"f", many, 0}, {"g", "", 0}, {0}};
    got = dump_files(wide);
    snprintf(expected, sizeof(expected), "f:%d:10: more than %d files", PN_UCL_MAX_FILES, PN_UCL_MAX_FILES);
    assert_string_equal(got, expected);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),    cmocka_unit_test(faults), cmocka_unit_test(places),
        cmocka_unit_test(includes), cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
