/**
 * errno numbers, names and texts. The numbers are those of <asm-generic/errno.h>, which x86_64 and aarch64
 * share; the texts are the C library's (strerror(3)), so that a user finds what other programs print.
 */

export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EIO = 5;
export const ENXIO = 6;
export const E2BIG = 7;
export const ENOEXEC = 8;
export const EBADF = 9;
export const ECHILD = 10;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EFAULT = 14;
export const ENOTBLK = 15;
export const EBUSY = 16;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENODEV = 19;
export const ENOTDIR = 20;
export const EISDIR = 21;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const ETXTBSY = 26;
export const EFBIG = 27;
export const ENOSPC = 28;
export const ESPIPE = 29;
export const EROFS = 30;
export const EMLINK = 31;
export const EPIPE = 32;
export const EDOM = 33;
export const ERANGE = 34;
export const EDEADLK = 35;
export const ENAMETOOLONG = 36;
export const ENOLCK = 37;
export const ENOSYS = 38;
export const ENOTEMPTY = 39;
export const ELOOP = 40;
export const ENOMSG = 42;
export const EIDRM = 43;
export const ECHRNG = 44;
export const EL2NSYNC = 45;
export const EL3HLT = 46;
export const EL3RST = 47;
export const ELNRNG = 48;
export const EUNATCH = 49;
export const ENOCSI = 50;
export const EL2HLT = 51;
export const EBADE = 52;
export const EBADR = 53;
export const EXFULL = 54;
export const ENOANO = 55;
export const EBADRQC = 56;
export const EBADSLT = 57;
export const EBFONT = 59;
export const ENOSTR = 60;
export const ENODATA = 61;
export const ETIME = 62;
export const ENOSR = 63;
export const ENONET = 64;
export const ENOPKG = 65;
export const EREMOTE = 66;
export const ENOLINK = 67;
export const EADV = 68;
export const ESRMNT = 69;
export const ECOMM = 70;
export const EPROTO = 71;
export const EMULTIHOP = 72;
export const EDOTDOT = 73;
export const EBADMSG = 74;
export const EOVERFLOW = 75;
export const ENOTUNIQ = 76;
export const EBADFD = 77;
export const EREMCHG = 78;
export const ELIBACC = 79;
export const ELIBBAD = 80;
export const ELIBSCN = 81;
export const ELIBMAX = 82;
export const ELIBEXEC = 83;
export const EILSEQ = 84;
export const ERESTART = 85;
export const ESTRPIPE = 86;
export const EUSERS = 87;
export const ENOTSOCK = 88;
export const EDESTADDRREQ = 89;
export const EMSGSIZE = 90;
export const EPROTOTYPE = 91;
export const ENOPROTOOPT = 92;
export const EPROTONOSUPPORT = 93;
export const ESOCKTNOSUPPORT = 94;
export const EOPNOTSUPP = 95;
export const EPFNOSUPPORT = 96;
export const EAFNOSUPPORT = 97;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ENETDOWN = 100;
export const ENETUNREACH = 101;
export const ENETRESET = 102;
export const ECONNABORTED = 103;
export const ECONNRESET = 104;
export const ENOBUFS = 105;
export const EISCONN = 106;
export const ENOTCONN = 107;
export const ESHUTDOWN = 108;
export const ETOOMANYREFS = 109;
export const ETIMEDOUT = 110;
export const ECONNREFUSED = 111;
export const EHOSTDOWN = 112;
export const EHOSTUNREACH = 113;
export const EALREADY = 114;
export const EINPROGRESS = 115;
export const ESTALE = 116;
export const EUCLEAN = 117;
export const ENOTNAM = 118;
export const ENAVAIL = 119;
export const EISNAM = 120;
export const EREMOTEIO = 121;
export const EDQUOT = 122;
export const ENOMEDIUM = 123;
export const EMEDIUMTYPE = 124;
export const ECANCELED = 125;
export const ENOKEY = 126;
export const EKEYEXPIRED = 127;
export const EKEYREVOKED = 128;
export const EKEYREJECTED = 129;
export const EOWNERDEAD = 130;
export const ENOTRECOVERABLE = 131;
export const ERFKILL = 132;
export const EHWPOISON = 133;

/** Other name of EAGAIN. */
export const EWOULDBLOCK = EAGAIN;
/** Other name of EDEADLK. */
export const EDEADLOCK = EDEADLK;
/** The C library's other name of EOPNOTSUPP (the kernel's own ENOTSUPP is another number, 524). */
export const ENOTSUP = EOPNOTSUPP;

/** The first line is errno 1. In one piece because the machine code of a program carries it, and nothing is to be built. */
const lines = `EPERM (Operation not permitted)
ENOENT (No such file or directory)
ESRCH (No such process)
EINTR (Interrupted system call)
EIO (Input/output error)
ENXIO (No such device or address)
E2BIG (Argument list too long)
ENOEXEC (Exec format error)
EBADF (Bad file descriptor)
ECHILD (No child processes)
EAGAIN (Resource temporarily unavailable)
ENOMEM (Cannot allocate memory)
EACCES (Permission denied)
EFAULT (Bad address)
ENOTBLK (Block device required)
EBUSY (Device or resource busy)
EEXIST (File exists)
EXDEV (Invalid cross-device link)
ENODEV (No such device)
ENOTDIR (Not a directory)
EISDIR (Is a directory)
EINVAL (Invalid argument)
ENFILE (Too many open files in system)
EMFILE (Too many open files)
ENOTTY (Inappropriate ioctl for device)
ETXTBSY (Text file busy)
EFBIG (File too large)
ENOSPC (No space left on device)
ESPIPE (Illegal seek)
EROFS (Read-only file system)
EMLINK (Too many links)
EPIPE (Broken pipe)
EDOM (Numerical argument out of domain)
ERANGE (Numerical result out of range)
EDEADLK (Resource deadlock avoided)
ENAMETOOLONG (File name too long)
ENOLCK (No locks available)
ENOSYS (Function not implemented)
ENOTEMPTY (Directory not empty)
ELOOP (Too many levels of symbolic links)
errno 41 (Unknown error 41)
ENOMSG (No message of desired type)
EIDRM (Identifier removed)
ECHRNG (Channel number out of range)
EL2NSYNC (Level 2 not synchronized)
EL3HLT (Level 3 halted)
EL3RST (Level 3 reset)
ELNRNG (Link number out of range)
EUNATCH (Protocol driver not attached)
ENOCSI (No CSI structure available)
EL2HLT (Level 2 halted)
EBADE (Invalid exchange)
EBADR (Invalid request descriptor)
EXFULL (Exchange full)
ENOANO (No anode)
EBADRQC (Invalid request code)
EBADSLT (Invalid slot)
errno 58 (Unknown error 58)
EBFONT (Bad font file format)
ENOSTR (Device not a stream)
ENODATA (No data available)
ETIME (Timer expired)
ENOSR (Out of streams resources)
ENONET (Machine is not on the network)
ENOPKG (Package not installed)
EREMOTE (Object is remote)
ENOLINK (Link has been severed)
EADV (Advertise error)
ESRMNT (Srmount error)
ECOMM (Communication error on send)
EPROTO (Protocol error)
EMULTIHOP (Multihop attempted)
EDOTDOT (RFS specific error)
EBADMSG (Bad message)
EOVERFLOW (Value too large for defined data type)
ENOTUNIQ (Name not unique on network)
EBADFD (File descriptor in bad state)
EREMCHG (Remote address changed)
ELIBACC (Can not access a needed shared library)
ELIBBAD (Accessing a corrupted shared library)
ELIBSCN (.lib section in a.out corrupted)
ELIBMAX (Attempting to link in too many shared libraries)
ELIBEXEC (Cannot exec a shared library directly)
EILSEQ (Invalid or incomplete multibyte or wide character)
ERESTART (Interrupted system call should be restarted)
ESTRPIPE (Streams pipe error)
EUSERS (Too many users)
ENOTSOCK (Socket operation on non-socket)
EDESTADDRREQ (Destination address required)
EMSGSIZE (Message too long)
EPROTOTYPE (Protocol wrong type for socket)
ENOPROTOOPT (Protocol not available)
EPROTONOSUPPORT (Protocol not supported)
ESOCKTNOSUPPORT (Socket type not supported)
EOPNOTSUPP (Operation not supported)
EPFNOSUPPORT (Protocol family not supported)
EAFNOSUPPORT (Address family not supported by protocol)
EADDRINUSE (Address already in use)
EADDRNOTAVAIL (Cannot assign requested address)
ENETDOWN (Network is down)
ENETUNREACH (Network is unreachable)
ENETRESET (Network dropped connection on reset)
ECONNABORTED (Software caused connection abort)
ECONNRESET (Connection reset by peer)
ENOBUFS (No buffer space available)
EISCONN (Transport endpoint is already connected)
ENOTCONN (Transport endpoint is not connected)
ESHUTDOWN (Cannot send after transport endpoint shutdown)
ETOOMANYREFS (Too many references: cannot splice)
ETIMEDOUT (Connection timed out)
ECONNREFUSED (Connection refused)
EHOSTDOWN (Host is down)
EHOSTUNREACH (No route to host)
EALREADY (Operation already in progress)
EINPROGRESS (Operation now in progress)
ESTALE (Stale file handle)
EUCLEAN (Structure needs cleaning)
ENOTNAM (Not a XENIX named type file)
ENAVAIL (No XENIX semaphores available)
EISNAM (Is a named type file)
EREMOTEIO (Remote I/O error)
EDQUOT (Disk quota exceeded)
ENOMEDIUM (No medium found)
EMEDIUMTYPE (Wrong medium type)
ECANCELED (Operation canceled)
ENOKEY (Required key not available)
EKEYEXPIRED (Key has expired)
EKEYREVOKED (Key has been revoked)
EKEYREJECTED (Key was rejected by service)
EOWNERDEAD (Owner died)
ENOTRECOVERABLE (State not recoverable)
ERFKILL (Operation not possible due to RF-kill)
EHWPOISON (Memory page has hardware error)`;

/**
 * "NAME (text)" of every errno from 1 on, a line each. A program that reports its own failure finds the errno's
 * words by counting newlines.
 */
export function errnoLines(): string {
  return lines;
}

/** Name of an errno: "ENOENT" for 2. Numbers without a name, which some drivers return, give "errno 524". */
export function errnoName(errno: number): string {
  const line = lineOf(errno);
  return line.slice(0, line.indexOf(" ("));
}

/** Text of an errno as strerror(3) has it: "No such file or directory" for 2, "Unknown error 524" for 524. */
export function errnoText(errno: number): string {
  const line = lineOf(errno);
  return line.slice(line.indexOf(" (") + 2, -1);
}

function lineOf(errno: number): string {
  return lines.split("\n")[errno - 1] ?? `errno ${errno} (Unknown error ${errno})`;
}
