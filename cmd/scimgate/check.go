package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

// checker is what check was asked to do.
type checker struct {
	set     *rules.Set
	current []byte
	op      scim.Operation
	fix     bool
	diff    bool
	json    bool
	out     io.Writer
	reports []report
}

func checkCommand() *cobra.Command {
	var op, current, output string
	var k checker
	c := &cobra.Command{
		Use:   "check FILE…",
		Short: "Judge SCIM payloads or whole HTTP requests offline",
		Long: `check judges SCIM payloads, or whole HTTP requests, as the gateway would, without
AWS. A file is one JSON document, or a request: a request line, headers, an empty
line, a body. - is standard input. It exits with 1 if anything was found.`,
		Example: `  scimgate check user.json
  scimgate check --diff request.http
  echo '{"userName":"ada"}' | scimgate check -`,
		Args: cobra.MinimumNArgs(1),
	}
	settings := settingsFlags(c.Flags())
	c.Flags().StringVar(&op, "op", "", "operation of a payload, such as createUser, where it can't be told")
	c.Flags().StringVar(&current, "current", "", "file that stands for the resource as AWS has it")
	c.Flags().BoolVar(&k.fix, "fix", false, "write the repaired document to the file")
	c.Flags().BoolVar(&k.diff, "diff", false, "show what the repair changes")
	c.Flags().StringVar(&output, "output", "text", "text or json")
	c.RunE = func(c *cobra.Command, files []string) error {
		config, err := settings()
		if err != nil {
			return &failure{exitUsage, "", err}
		}
		policy, err := config.Rulebook()
		if err != nil {
			return &failure{exitUsage, "", err}
		}
		k.set, k.out = policy.Rules, c.OutOrStdout()
		if k.json = output == "json"; !k.json && output != "text" {
			return &failure{exitUsage, "", fmt.Errorf("--output %q is not text or json", output)}
		}
		if op != "" {
			ok := false
			if k.op, ok = scim.ParseOperation(op); !ok || !k.op.HasBody() {
				return &failure{exitUsage, "createUser, replaceUser, patchUser, createGroup, replaceGroup or patchGroup", fmt.Errorf("--op %q is no operation with a document", op)}
			}
		}
		if current != "" {
			if k.current, err = os.ReadFile(current); err != nil {
				return &failure{exitUsage, "", err}
			}
		}
		return k.files(files, c.InOrStdin())
	}
	return c
}

func (k *checker) files(files []string, in io.Reader) error {
	found := false
	for _, file := range files {
		text, err := readInput(file, in)
		if err != nil {
			return &failure{exitUsage, "", err}
		}
		any, err := k.one(file, text)
		if err != nil {
			return err
		}
		found = found || any
	}
	if k.json {
		encoder := json.NewEncoder(k.out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(k.reports); err != nil {
			return err
		}
	}
	if found {
		return errFindings
	}
	return nil
}

func readInput(file string, in io.Reader) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(file)
}

// one judges one text, and tells whether anything was found in it.
func (k *checker) one(file string, text []byte) (found bool, err error) {
	var v rules.Verdict
	bodyAt, payload := 0, text
	if r, at, ok := parseHTTP(text); ok {
		bodyAt, payload = at, r.Body
		_, v = k.set.Inspect(r, k.current)
	} else {
		target := scim.Target{Operation: k.op}
		if target.Operation == 0 {
			target.Operation = guess(text)
		}
		if target.Operation == 0 {
			return false, &failure{exitUsage, "say what it is, for example --op createUser", fmt.Errorf("cannot tell what %s is about", file)}
		}
		if target.Operation.HasID() {
			target.ID = "check"
		}
		v = k.set.Judge(target, text, k.current)
	}
	repaired := text
	if !v.Rejects() && len(payload) > 0 {
		repaired = append(append([]byte(nil), text[:bodyAt]...), v.Document...)
	}
	changed := !bytes.Equal(repaired, text)
	if k.json {
		k.reports = append(k.reports, reportOf(file, text, bodyAt, &v, repaired, changed))
	} else {
		k.print(file, text, bodyAt, &v)
	}
	become := "it would be"
	if k.fix && changed && file != "-" {
		if err := os.WriteFile(file, repaired, 0o644); err != nil {
			return false, err
		}
		become = "it is now"
	}
	switch {
	case k.json || !changed:
	case k.diff:
		_, err = k.out.Write(diff.Diff(file, lineEnd(text), file+" (repaired)", lineEnd(repaired)))
	default:
		_, err = fmt.Fprintf(k.out, "%s: repaired, %s\n%s\n", file, become, repaired[bodyAt:])
	}
	return len(v.Findings) > 0, err
}

func lineEnd(text []byte) []byte {
	if bytes.HasSuffix(text, []byte("\n")) {
		return text
	}
	return append(append([]byte(nil), text...), '\n')
}

// guess tells from a document what it asks for; 0 if it can't be told.
func guess(text []byte) scim.Operation {
	var d scim.Document
	if _, ok := d.Scan(text); !ok {
		return scim.CreateUser // what is no JSON is none for every operation
	}
	has := func(name string) bool { return d.Child(0, name) >= 0 }
	switch {
	case has("Operations"):
		if bytes.Contains(text, []byte(`members`)) {
			return scim.PatchGroup
		}
		return scim.PatchUser
	case has("userName") || has("name") || has("emails"):
		if has("id") {
			return scim.ReplaceUser
		}
		return scim.CreateUser
	case has("members") || has("displayName"):
		if has("id") {
			return scim.ReplaceGroup
		}
		return scim.CreateGroup
	}
	return 0
}
