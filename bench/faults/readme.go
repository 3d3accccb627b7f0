package main

import (
	"fmt"
	"strings"
)

// preamble is what README.md says before the tables.
const preamble = `# Faults

The judge of the gateway's rules of "nothing lost". It runs the gateway as a built program between an upstream that goes wrong on purpose and clients that behave like Okta, or worse, and then holds three witnesses against each other: what the upstream saw, what the clients asked and were told, and the audit log. It shares no code with the gateway.

    go run ./bench/faults                        # everything: scenes, 10,000 requests, seeded violations
    go run ./bench/faults --exchanges 50000 --seed 7 --faulty 0.3
    go run ./bench/faults --exchanges 0 --scenes F12
    go run ./bench/faults --write                # and the tests named below, and this file
    go test ./bench/faults                       # a short form
    go test ./bench/faults -race                 # the same; the gateway is built with the race detector, too

%s is given with --binary, or built. --keep FOLDER keeps what the witnesses told. What a run does is drawn from its seed; in which order it happens is not.

| folder | |
| --- | --- |
| faulty | the upstream, over raw sockets; faulty/table.go has its faults |
| message | HTTP as bytes |
| witness | what witnesses tell, as plain data |
| judge | the checks, and the tampered histories by which they are checked |
| scenes_*.go | single rows that the mass run can't show |
| source_test.go | what can be seen in the sources alone |
| crowd.go, act.go, misbehave.go | the clients of the mass run |
| rows.txt | the tables below as data: what is to be shown, and what shows it |

"Partly" says what nothing shows; "no" that nothing shows the row. Some scenes need what not every machine allows for (a namespace of mounts, a port below 1024) and say so; the one with a clock that moves builds the standard library anew, and is played in the long form alone.

In the mass run each fault is told with how often it struck, what the clients were told (200×3: three times 200; none: the client had gone, or was cut off), and what the log says of the writes that it struck.

`

// readme is README.md with the tables filled in.
func readme(tables []table, res *results, summary string) string {
	var b strings.Builder
	fmt.Fprintf(&b, preamble, "The gateway")
	b.WriteString("## The last run\n\n" + summary + "\n")
	for _, t := range tables {
		fmt.Fprintf(&b, "## %s\n\n| # | what | shown by | shown |\n| --- | --- | --- | --- |\n", t.title)
		for _, r := range t.rows {
			v := res.judge(r)
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.id, cell(r.line), cell(strings.Join(v.how, "; ")), cell(v.String()))
		}
		b.WriteString("\n")
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// cell is a text that stays in its column.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ").Replace(text)
}
