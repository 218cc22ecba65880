/* The pod's first process: holds the namespaces, reaps orphans, leaves on TERM or INT. No libc, so that it is a few hundred bytes. */
typedef long word;
typedef unsigned long uword;

#define SIGINT 2
#define SIGTERM 15
#define SIGCHLD 17
#define WNOHANG 1

#if defined(__x86_64__)
enum { SYS_rt_sigprocmask = 14, SYS_wait4 = 61, SYS_rt_sigtimedwait = 128, SYS_exit_group = 231 };

static inline word call(word number, word a, word b, word c, word d) {
  word result;
  register word fourth __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
enum { SYS_exit_group = 94, SYS_rt_sigprocmask = 135, SYS_rt_sigtimedwait = 137, SYS_wait4 = 260 };

static inline word call(word number, word a, word b, word c, word d) {
  register word x8 __asm__("x8") = number;
  register word x0 __asm__("x0") = a;
  register word x1 __asm__("x1") = b;
  register word x2 __asm__("x2") = c;
  register word x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
#endif

static uword bit(int signal) { return 1UL << (signal - 1); }

/* Waiting for blocked signals needs no handlers, and no signal can be missed between two waits. */
void _start(void) {
  uword wanted = bit(SIGINT) | bit(SIGTERM) | bit(SIGCHLD);
  call(SYS_rt_sigprocmask, 0, (word)&wanted, 0, sizeof wanted);
  for (;;) {
    word signal = call(SYS_rt_sigtimedwait, (word)&wanted, 0, 0, sizeof wanted);
    if (signal == SIGINT || signal == SIGTERM) call(SYS_exit_group, 0, 0, 0, 0);
    while (call(SYS_wait4, -1, 0, WNOHANG, 0) > 0) {
    }
  }
}
