// Command guest runs inside the virtual bench: it is the wiring between the
// kernel's simulated GPIO lines and the simulated recorder, and it runs
// resetrig on that bench as a user would.
//
// It knows the lines from the kernel's side only (gpio-sim's files, tracefs),
// never from the program under test, and compares the two. The trap: a relay's
// line and its sense are both gpio-sim lines; what drives the sense is the
// recorder's contact, so a welded contact shows although the line is right.
package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	began := time.Now()
	bad := 0
	list := slices.DeleteFunc(cases(), func(c testCase) bool {
		return len(os.Args) > 1 && !slices.ContainsFunc(os.Args[1:], func(word string) bool { return strings.Contains(c.name, word) })
	})
	if len(list) == 0 {
		fmt.Println("no case is called like", os.Args[1:])
		os.Exit(1)
	}
	for _, c := range list {
		at := time.Now()
		err := c.run()
		took := time.Since(at).Round(100 * time.Millisecond)
		if err != nil {
			bad++
			fmt.Printf("FAIL %s (%v of the guest's time)\n     %s\n", c.name, took, strings.ReplaceAll(err.Error(), "\n", "\n     "))
			continue
		}
		fmt.Printf("ok   %s (%v of the guest's time)\n", c.name, took)
	}
	fmt.Printf("%d of %d cases on the virtual bench failed, in %v of the guest's time\n", bad, len(list), time.Since(began).Round(time.Second))
	if bad > 0 {
		os.Exit(1)
	}
}
