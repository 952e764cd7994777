/* Answers dumps of one type of message from a file, for programs whose kernel has no such objects. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static unsigned char answer[1 << 16];
static size_t size; /* of the answer that waits; 0: none */

ssize_t send(int fd, const void *data, size_t length, int flags)
{
	static ssize_t (*next)(int, const void *, size_t, int);
	const struct nlmsghdr *asked = data;
	struct sockaddr_nl self;
	socklen_t self_size = sizeof(self);
	if (!next)
		next = dlsym(RTLD_NEXT, "send");
	/* the family follows the header: the names of all links are asked for with AF_UNSPEC */
	if (length < 17 || asked->nlmsg_type != atoi(getenv("RT_TYPE")) || ((unsigned char *)data)[16] != atoi(getenv("RT_FAMILY")))
		return next(fd, data, length, flags);
	FILE *file = fopen(getenv("RT_ANSWERS"), "r");
	size = fread(answer, 1, sizeof(answer) - 20, file);
	fclose(file);
	struct nlmsghdr done = {.nlmsg_len = 20, .nlmsg_type = NLMSG_DONE};
	memcpy(answer + size, &done, sizeof(done));
	memset(answer + size + sizeof(done), 0, 4);
	size += 20;
	getsockname(fd, (struct sockaddr *)&self, &self_size);
	for (size_t at = 0; at < size; at += NLMSG_ALIGN(((struct nlmsghdr *)(answer + at))->nlmsg_len)) {
		struct nlmsghdr *message = (struct nlmsghdr *)(answer + at);
		message->nlmsg_flags = NLM_F_MULTI;
		message->nlmsg_seq = asked->nlmsg_seq;
		message->nlmsg_pid = self.nl_pid;
	}
	return length;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	static ssize_t (*next)(int, struct msghdr *, int);
	if (!next)
		next = dlsym(RTLD_NEXT, "recvmsg");
	if (!size)
		return next(fd, message, flags);
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	memcpy(message->msg_name, &kernel, sizeof(kernel));
	message->msg_namelen = sizeof(kernel);
	message->msg_controllen = 0;
	message->msg_flags = 0;
	size_t length = size;
	if (flags & MSG_PEEK)
		return length;
	memcpy(message->msg_iov->iov_base, answer, length);
	size = 0;
	return length;
}
