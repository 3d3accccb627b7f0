package scim

import (
	"fmt"
	"testing"
)

func TestFilters(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got, err := ParseFilter(text)
		if err != nil || got.String() != want {
			t.Errorf("%s: got %v %v, want %s", text, got, err, want)
		}
	}
	f(`userName eq "ada"`, `userName eq "ada"`)
	f(`  userName  EQ  "a\u0064a" `, `userName eq "ada"`)
	f(`displayName eq "a \"b\" \\c"`, `displayName eq "a \"b\" \\c"`)
	f(`displayName eq "Ж"`, `displayName eq "Ж"`)
	f(`id eq "1" and members eq "2"`, `id eq "1" and members eq "2"`)
	f(`a eq 1 or b eq true and c pr`, `a eq 1 or b eq true and c pr`)
	f(`(a eq 1 or b eq null) and not (c pr)`, `(a eq 1 or b eq null) and not (c pr)`)
	f(`emails[type eq "work" and value co "@x"]`, `emails[type eq "work" and value co "@x"]`)
	f(`urn:ietf:params:scim:schemas:core:2.0:User:name.givenName sw "A"`, `urn:ietf:params:scim:schemas:core:2.0:User:name.givenName sw "A"`)
}

func TestFilterFaultsNameTheirPlace(t *testing.T) {
	f := func(text string, at int) {
		t.Helper()
		_, err := ParseFilter(text)
		syntax, ok := err.(*SyntaxError)
		if !ok || syntax.At != at {
			t.Errorf("%s: got %v, want a fault at %d", text, err, at)
		}
	}
	f(``, 0)
	f(`userName`, 8)
	f(`userName eq`, 11)
	f(`externalId eq jyoung`, 14)
	f(`userName eq "a`, 12)
	f(`userName is "a"`, 9)
	f(`userName eq "a" userName`, 16)
	f(`(userName eq "a"`, 16)
	f(`emails[type eq "work"`, 21)
	f(`1a eq "x"`, 0)
	f(`userName eq "\x"`, 12)
	f(`userName eq {}`, 12)
}

func TestSimpleFilters(t *testing.T) {
	filter, err := ParseFilter(EqFilter("userName", `a"\b`))
	if err != nil {
		t.Fatal(err)
	}
	if name, value, ok := filter.Eq(); !ok || name != "userName" || value != `a"\b` {
		t.Errorf("got %q %q %v, want what was written", name, value, ok)
	}
	if _, _, ok := filter.And(); ok {
		t.Error("got a conjunction, want none")
	}
}

func TestPaths(t *testing.T) {
	f := func(text string, want Path) {
		t.Helper()
		got, err := ParsePath(text)
		filter := got.Filter
		if got.Filter = nil; err != nil || got != want {
			t.Errorf("%s: got %+v %v, want %+v", text, got, err, want)
		}
		if got.Filter = filter; got.String() != text {
			t.Errorf("%s: printed as %s", text, got)
		}
	}
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	f("title", Path{Attribute: "title"})
	f("name.givenName", Path{Attribute: "name", Sub: "givenName"})
	f(`emails[type eq "work"].value`, Path{Attribute: "emails", Sub: "value"})
	f(`members[value eq "1"]`, Path{Attribute: "members"})
	f(enterprise, Path{Schema: enterprise})
	f(enterprise+":manager.value", Path{Schema: enterprise, Attribute: "manager", Sub: "value"})
	f(enterprise+":department", Path{Schema: enterprise, Attribute: "department"})
	f("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName", Path{Schema: "urn:ietf:params:scim:schemas:core:2.0:User", Attribute: "name", Sub: "givenName"})

	for _, bad := range []string{"", "a b", "name.", ".x", "emails[", "emails[type]", `emails[type eq "x"]y`, "name.a.b", "urn:", "urn::x", "a:b", "[type eq 1]"} {
		if got, err := ParsePath(bad); err == nil {
			t.Errorf("%q: got %+v, want a fault", bad, got)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{`userName eq "a"`, `not (a[b eq 1 or c pr]) and d.e ne "\u00e9\""`, `a eq 1 or (b eq 2 or c eq 3)`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseFilter(text)
		if err != nil {
			if syntax, ok := err.(*SyntaxError); !ok || syntax.At < 0 || syntax.At > len(text) {
				t.Fatalf("%q: got %v", text, err)
			}
			return
		}
		again, err := ParseFilter(filter.String())
		if err != nil || again.String() != filter.String() {
			t.Fatalf("%q prints as %q, which reads as %v %v", text, filter, again, err)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"a.b", `a[b eq "]"].c`, "urn:a:2.0:User:x.y", "urn:a:b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path, err := ParsePath(text)
		if err != nil {
			return
		}
		again, err := ParsePath(path.String())
		if err != nil || again.String() != path.String() {
			t.Fatalf("%q prints as %q, which reads as %v %v", text, path, again, err)
		}
	})
}

func TestAuthorization(t *testing.T) {
	f := func(value, token string, want ...Kind) {
		t.Helper()
		faults := HeadFaults(Target{Operation: GetUser}, min(len(value), 1), []byte(value), nil, true)
		if got := string(Token([]byte(value))); got != token || fmt.Sprint(kinds(faults)) != fmt.Sprint(want) {
			t.Errorf("%q: got %q %v, want %q %v", value, got, kinds(faults), token, want)
		}
	}
	f("Bearer abc", "abc")
	f("bearer  abc ", "abc")
	f("Bearer Bearer abc", "abc", BearerDoubled)
	f("abc=+/", "abc=+/", BearerMissing)
	f(`Bearer a\b`, `a\b`)
	f("", "", AuthorizationAbsent)
	f("Bearer", "", AuthorizationAbsent)
	f("Bearer ", "", AuthorizationAbsent)
	f("Basic YWRh", "", AuthorizationForm)
	f("Bearer a b", "", AuthorizationForm)
	f("Bearer a\x01", "", AuthorizationForm)
}
