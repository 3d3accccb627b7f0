package main

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// sources calls f with each file of the product under some folders, by its path from the
// root of the module.
func sources(t *testing.T, f func(path string, set *gotoken.FileSet, file *ast.File), folders ...string) {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := gotoken.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			short, err := filepath.Rel(root, path)
			f(filepath.ToSlash(short), set, file)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func imports(file *ast.File, path string) bool {
	for _, i := range file.Imports {
		if i.Path.Value == `"`+path+`"` {
			return true
		}
	}
	return false
}

// textOf is an expression as far as it is made of names.
func textOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return textOf(e.X) + "." + e.Sel.Name
	case *ast.IndexExpr:
		return textOf(e.X) + "[]"
	case *ast.SliceExpr:
		return textOf(e.X) + "[:]"
	case *ast.CallExpr:
		return textOf(e.Fun) + "()"
	case *ast.BinaryExpr:
		return textOf(e.X) + e.Op.String() + textOf(e.Y)
	case *ast.BasicLit:
		return e.Value
	case *ast.ParenExpr:
		return textOf(e.X)
	case *ast.UnaryExpr:
		return e.Op.String() + textOf(e.X)
	}
	return "…"
}

// ownPaths are the paths in gjson's language that are no constants, and why none of them
// can be what somebody has sent. (P27)
var ownPaths = map[string]string{
	"proxy/translate/settle.go: at":                 "pointer has escaped each part",
	"proxy/translate/group.go: name":                "one of two constants",
	"proxy/translate/create.go: attribute":          "who.attribute, or a constant",
	"proxy/translate/create.go: who.attribute":      "identityOf has set it to a constant",
	`proxy/translate/whole_list.go: attribute+".0"`: "a key of singles, and nothing else is",
}

// No path in gjson's language is made of what somebody has sent: it could read another
// value than the one that was checked. (P27)
func TestNoInputInPaths(t *testing.T) {
	used, calls := map[string]bool{}, 0
	sources(t, func(path string, set *gotoken.FileSet, file *ast.File) {
		if !imports(file, "github.com/tidwall/gjson") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			of, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			var paths []ast.Expr
			switch name := textOf(call.Fun); {
			case name == "gjson.Get" || name == "gjson.GetBytes" || name == "gjson.GetMany" || name == "gjson.GetManyBytes":
				paths = call.Args[1:]
			case of.Sel.Name == "Get" && len(call.Args) == 1: // of a gjson.Result, or of something else that is named so
				paths = call.Args
			}
			for _, p := range paths {
				calls++
				if lit, ok := p.(*ast.BasicLit); ok && lit.Kind == gotoken.STRING {
					continue
				}
				key := path + ": " + textOf(p)
				if ownPaths[key] == "" && textOf(p) != "gjson.Escape()" {
					t.Errorf("%s: %s is given %s, want a constant, or what gjson.Escape has made", set.Position(call.Pos()), textOf(call.Fun), textOf(p))
				}
				used[key] = true
			}
			return true
		})
	}, "proxy", "rules", "cmd", "configs")
	if calls < 20 {
		t.Errorf("got %d calls, want all of them found", calls)
	}
	for key := range ownPaths {
		if !used[key] {
			t.Errorf("%s is not there any more", key)
		}
	}
}

// Where it is decided who may come, tokens are compared in a time that tells nothing of
// them. (T1)
func TestTokensAreComparedInConstantTime(t *testing.T) {
	secret := func(text string) bool {
		text = strings.ToLower(text)
		return strings.Contains(text, "token") || strings.Contains(text, "hash") || strings.Contains(text, "secret") || text == "given" || text == "wanted" || text == "given[:]" || text == "wanted[:]"
	}
	constant := map[string]int{}
	sources(t, func(path string, set *gotoken.FileSet, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				x, y := textOf(n.X), textOf(n.Y)
				plain := y == "nil" || y == `""` || strings.HasPrefix(x, "len()") || strings.HasPrefix(y, "len()") || y == "0"
				if (n.Op == gotoken.EQL || n.Op == gotoken.NEQ) && !plain && (secret(x) || secret(y)) {
					t.Errorf("%s: %s is compared with %s as any other value", set.Position(n.Pos()), x, y)
				}
			case *ast.CallExpr:
				switch name := textOf(n.Fun); name {
				case "subtle.ConstantTimeCompare":
					constant[path]++
				case "bytes.Equal", "bytes.EqualFold", "strings.EqualFold", "slices.Equal":
					if secret(textOf(n.Args[0])) || secret(textOf(n.Args[1])) {
						t.Errorf("%s: %s compares %s with %s", set.Position(n.Pos()), name, textOf(n.Args[0]), textOf(n.Args[1]))
					}
				}
			}
			return true
		})
	}, "proxy/admin.go", "proxy/admit.go", "proxy/authenticate.go", "proxy/tokens")
	for _, path := range []string{"proxy/admin.go", "proxy/tokens/tokens.go"} {
		if constant[path] == 0 {
			t.Errorf("%s compares nothing in constant time", path)
		}
	}
}
