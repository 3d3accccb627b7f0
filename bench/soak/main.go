// Command soak runs the gateway at the rate that AWS allows for a long time, and tells
// whether its memory, goroutines or descriptors grow.
//
//	go run ./bench/soak --for 30m
//
// It drives the built program in front of a stand-in for AWS with AWS's own quotas, and
// looks at it by its metrics. It ends with 1 if something has grown.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	length := flag.Duration("for", 30*time.Minute, "how long")
	binary := flag.String("binary", "", "the program (built, if empty)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	report, err := soak(ctx, *binary, *length)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
	fmt.Print(report)
	if len(report.Grown()) > 0 {
		os.Exit(1)
	}
}
